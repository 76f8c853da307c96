"""How steady the masks of runs are on clips without labels."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lgrseg.inference import Predictor
from lgrseg.reporting.tables import markdown_table, show

MEASURES = ("jumps_per_second", "vanishings_per_second", "frames", "frames_absent", "frames_split")


def write_steadiness(
    named: dict[str, Path],
    clips: list[Path],
    output: Path,
    *,
    trusted: Sequence[str] = (),
) -> str:
    """Segment every clip with every run, and write clips.csv and clips.md.

    Args:
        named: name -> folder of every run.
        clips: files of the clips.
        output: folder of the tables; it is created if it is missing.
        trusted: names of your own packages that the configs may call, as with --trust.

    Returns:
        The table in Markdown.

    Raises:
        FileNotFoundError: there is no such run, or no such clip.
        ValueError: a clip cannot be read.
    """
    rows: list[list[Any]] = []
    for name, folder in named.items():
        predictor = Predictor.from_run(folder, trusted=trusted)
        for clip in clips:
            result = predictor(clip)
            for structure, found in result.measurements.steadiness.items():
                rows.append(
                    [name, clip.name, result.video.fps, structure, *map(found.get, MEASURES)]
                )
    output.mkdir(parents=True, exist_ok=True)
    head = ["run", "clip", "fps", "structure", *MEASURES]
    with open(output / "clips.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    cells = [
        [run, clip, show(fps, 1), structure, show(jumps, 2), show(vanishings, 2), *map(str, counts)]
        for run, clip, fps, structure, jumps, vanishings, *counts in rows
    ]
    text = markdown_table([word.replace("_", " ") for word in head], cells) + "\n"
    (output / "clips.md").write_text(text, encoding="utf-8")
    return text
