"""The videos of a report: the mp4, the places of its panels, and curves of the areas."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import av

from lgrseg.reporting import plots
from lgrseg.reporting.figures import Plot
from lgrseg.reporting.report_parts import mean_of
from lgrseg.reporting.tables import show
from lgrseg.visualization.overlays import GAP, HEADER, LEGEND

FEWEST_FRAMES = 5
"""Minimum number of frames for which an area curve is drawn."""


@dataclass(frozen=True)
class Film:
    """An mp4 with three panels of the same size: input, truth, prediction."""

    address: str
    width: int
    height: int
    fps: float
    num_frames: int

    @property
    def panel(self) -> tuple[int, int]:
        """Width and height of a panel, in pixels of the film."""
        return math.ceil((self.width - 2 * GAP) / 3), self.height - HEADER - LEGEND

    @property
    def offsets(self) -> dict[str, int]:
        """Content of each panel -> its left edge, in pixels of the film."""
        step = self.panel[0] + GAP
        return {"input": 0, "truth": step, "prediction": 2 * step}

    @property
    def top(self) -> int:
        """Upper edge of the panels, in pixels of the film."""
        return HEADER


@dataclass(frozen=True)
class Video:
    """A film with its scores and measures."""

    name: str
    rank: str
    dice: str
    scores: list[tuple[str, str, str]]
    """(structure, its Dice, its colour)."""
    film: Film
    heart: list[str]
    """Sentences on ejection fraction and doubtful beats."""
    curve: Plot | None
    areas: dict[str, list[float]]
    """Structure -> its area in every frame, in `area_unit`."""
    area_unit: str
    area_digits: int
    annotated: list[int]
    """Frames with ground truth."""


def ranked_videos(results: dict) -> list[str]:
    """Names of the videos by increasing mean Dice; a video without a score counts as 0."""
    scores = results["videos"]
    return sorted(scores, key=lambda name: mean_of(scores[name]) or 0.0)


def videos_of(folder: Path, results: dict, colors: dict[str, str]) -> list[Video]:
    """The exported videos of an evaluation, by increasing mean Dice.

    Args:
        folder: folder with videos/*.mp4 and a .json file beside each.
        results: content of results.json.
        colors: colour of each structure.
    """
    files = {path.stem: path for path in sorted(folder.glob("videos/*.mp4"))}
    ranked = ranked_videos(results)
    return [
        _video(files[stem], name, f"{place} of {len(ranked)}", results["videos"][name], colors)
        for place, name in enumerate(ranked, start=1)
        if (stem := name.replace("/", "_")) in files
    ]


def _video(path: Path, name: str, rank: str, scores: dict, colors: dict[str, str]) -> Video:
    film = film_of(path)
    file = path.with_suffix(".json")
    measures = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"areas": {}}
    areas, curve, unit, digits = {}, None, "", 0
    if len(next(iter(measures["areas"].values()), ())) >= FEWEST_FRAMES:
        unit, scale = plots.area_unit(measures)
        digits = 1 if scale > 1 else 0
        areas = {key: [round(a / scale, digits) for a in v] for key, v in measures["areas"].items()}
        curve = plots.area_curves(measures, colors, fps=measures.get("fps"))
    return Video(
        name=name,
        rank=rank,
        dice=show(mean_of(scores), 3),
        scores=[(key.replace("_", " "), show(scores[key], 3), colors[key]) for key in scores],
        film=film,
        heart=beat_sentences(measures),
        curve=curve,
        areas=areas,
        area_unit=unit,
        area_digits=digits,
        annotated=(measures.get("annotated") or {}).get("frames", []),
    )


def film_of(path: Path) -> Film:
    """Read size, frame rate and length of an mp4 that `export_record` wrote."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert stream.average_rate is not None  # `export_record` writes videos with a frame rate
        return Film(
            address=f"videos/{quote(path.name)}",
            width=stream.width,
            height=stream.height,
            fps=round(float(stream.average_rate), 3),
            num_frames=stream.frames,
        )


def beat_sentences(measures: dict) -> list[str]:
    """Sentences on the ejection fraction of complete beats, and on each doubtful beat."""
    beats = measures.get("beats") or ()
    whole = [beat for beat in beats if not beat["problems"]]
    sentences = []
    if whole:
        fractions = ", ".join(f"{beat['ejection_fraction']:.0f}%" for beat in whole)
        mean = f", mean {measures['ejection_fraction']:.0f}%" if len(whole) > 1 else ""
        sentences.append(f"ejection fraction {fractions}{mean}")
    elif beats:
        sentences.append("every beat is doubtful")
    reference = measures.get("reference_ejection_fraction")
    if beats and reference is not None:
        sentences[-1] += f" (reference {reference:.0f}%)"
    for beat in beats:
        if beat["problems"]:
            fraction = beat["ejection_fraction"]
            shown = "none" if fraction is None else f"{fraction:.0f}%"
            reasons = ", ".join(dict.fromkeys(beat["problems"]))
            sentences.append(f"doubtful: {shown}, frames {beat['ed']} to {beat['es']} ({reasons})")
    return sentences
