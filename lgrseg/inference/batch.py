"""Prediction of many clips; if one fails, the others continue, and it is reported at the end."""

import os
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
    """Results and errors of the clips of a folder."""

    outcomes: dict[Path, Outcome] = field(default_factory=dict)
    """Clips that have masks."""
    failed: dict[Path, str] = field(default_factory=dict)
    """Clips without masks, each with the reason."""

    @property
    def exit_status(self) -> int:
        """0 if every clip has masks, otherwise 1."""
        return 1 if self.failed else 0

    def describe(self, output: Path) -> tuple[list[str], str]:
        """Lines about single clips (notes, doubts, failures), and one line with the numbers."""
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
        last += f"; {kept} existed already (--overwrite replaces them)" if kept else ""
        last += f"; {len(self.failed)} not segmented, for the reasons above" if self.failed else ""
        return lines, last


def predict_clips(
    segment: Callable[[Path, Path], Outcome], found: ClipsInFolder, output: Path
) -> Summary:
    """Segment clips, write their results to the same subfolders of `output`, and write the table.

    Args:
        segment: function from (clip, path of its results without a suffix) to its outcome, such as
            a `FilePredictor`.
        found: clips of the input folder.
        output: folder of the results.

    Raises:
        FileExistsError: `output` has a measurements.csv that this tool did not write.
        PermissionError: `output` is not writable.
    """
    existing = next(folder for folder in (output, *output.parents) if folder.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(f"{output} cannot be written to: choose another output folder")
    read_table(output / TABLE)  # an error before hours of work, not after them
    summary, rows = Summary(), {}
    try:
        for name, path in found.clips.items():
            try:
                outcome = summary.outcomes[path] = segment(path, output / name)
                if outcome.facts is not None:
                    rows[name] = row_of(outcome.facts)
            except Exception as error:  # the other clips continue after any error
                summary.failed[path] = describe_error(error)
                print(f"{path.name}: not segmented: {summary.failed[path]}", file=sys.stderr)
    finally:
        if rows:
            update_table(output / TABLE, rows)
    return summary
