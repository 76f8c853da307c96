"""Many clips one after the other: none of them ends the others, and all are named at the end."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lgrseg.data.prepare.clip_files import ClipsInFolder
from lgrseg.failures import describe_error
from lgrseg.inference.file_predictor import Outcome
from lgrseg.inference.table import TABLE, read_table, row_of, update_table


@dataclass
class Summary:
    """How the clips of a folder fared."""

    outcomes: dict[Path, Outcome] = field(default_factory=dict)
    """Of the clips that have masks now."""
    failed: dict[Path, str] = field(default_factory=dict)
    """Why the others have none."""

    @property
    def exit_status(self) -> int:
        """0 where every clip has masks, else 1."""
        return 1 if self.failed else 0

    def describe(self, output: Path) -> tuple[list[str], str]:
        """Notes, doubts and failures by clip; and the numbers."""
        kept = sum(outcome.was_there for outcome in self.outcomes.values())
        lines = [
            f"{word}: {path}: {'; '.join(texts)}"
            for word, kind in (("note", "notes"), ("doubtful", "doubts"))
            for path, outcome in self.outcomes.items()
            if (texts := getattr(outcome, kind))
        ]
        lines += [f"not segmented: {path}: {why}" for path, why in self.failed.items()]
        number = len(self.outcomes) + len(self.failed)
        doubtful = sum(bool(outcome.doubts) for outcome in self.outcomes.values())
        last = f"{len(self.outcomes)} of {number} clips segmented into {output}"
        last += f", {doubtful} of them doubtful" if doubtful else ""
        last += f"; {kept} had been there already (--overwrite makes them anew)" if kept else ""
        return lines, last


def predict_clips(
    segment: Callable[[Path, Path], Outcome], found: ClipsInFolder, output: Path
) -> Summary:
    """Segment clips into `output`, each at its place within the input, and write their table.

    Args:
        segment: writes the results of a clip (a path) beside a path without a suffix.
        found: clips.
        output: folder of the results.

    Raises:
        FileExistsError: `output` holds another measurements.csv.
    """
    read_table(output / TABLE)  # before hours of work
    summary, rows = Summary(), {}
    try:
        for name, path in found.clips.items():
            try:
                outcome = summary.outcomes[path] = segment(path, output / name)
                if outcome.facts is not None:
                    rows[name] = row_of(outcome.facts)
            except Exception as error:  # whatever it is, the other clips are no part of it
                summary.failed[path] = describe_error(error)
                print(f"{path.name}: not segmented: {summary.failed[path]}", file=sys.stderr)
    finally:
        if rows:
            update_table(output / TABLE, rows)
    return summary
