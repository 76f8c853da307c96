"""The result of a preparation: an object, which is written as JSON and printed as a table."""

import json
from dataclasses import dataclass, field
from pathlib import Path

NUM_SHOWN = 5
"""Largest number of notes printed per video; the file has all of them."""


@dataclass
class Report:
    """Result of a preparation."""

    prepared: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    unusable: dict[str, str] = field(default_factory=dict)
    """File or video -> reason."""
    notes: dict[str, list[str]] = field(default_factory=dict)
    removed: dict[str, str] = field(default_factory=dict)
    """Video that was prepared earlier and is removed from the store -> reason."""
    left_over: list[str] = field(default_factory=list)
    """Videos that were prepared earlier, are not in the raw folder now, and stay in the store."""
    leaks: list[str] = field(default_factory=list)
    """Patients, or files with the same content, in several splits."""
    warnings: list[str] = field(default_factory=list)
    """Problems of the whole dataset: copies, classes that never occur."""

    @property
    def num_usable(self) -> int:
        """Videos in the store now."""
        return len(self.prepared) + len(self.kept)

    @property
    def counts(self) -> dict[str, int]:
        """Number of entries of each kind; `with_notes` are among prepared and kept."""
        return {
            "prepared": len(self.prepared),
            "kept": len(self.kept),
            "unusable": len(self.unusable),
            "with_notes": len(self.notes),
            "removed": len(self.removed),
            "left_over": len(self.left_over),
            "leaks": len(self.leaks),
        }

    def write(self, file: Path) -> None:
        """Write the report as JSON."""
        text = json.dumps({"counts": self.counts} | vars(self), indent=1, sort_keys=True)
        file.write_text(text, encoding="utf-8")


def print_report(report: Report) -> None:
    """Print the report as a table."""
    from rich.console import Console
    from rich.markup import escape  # names and messages may hold brackets
    from rich.table import Table

    console = Console()
    table = Table("video or file", "what", title="Worth knowing", title_justify="left")
    for name, reason in sorted(report.unusable.items()):
        table.add_row(escape(name), f"[red]not used[/red]: {escape(reason)}")
    for name, reason in sorted(report.removed.items()):
        table.add_row(escape(name), f"removed from the store: {escape(reason)}")
    for leak in report.leaks:
        table.add_row("[red]leak[/red]", escape(leak))
    for warning in report.warnings:
        table.add_row("whole dataset", escape(warning))
    for name, notes in sorted(report.notes.items()):
        table.add_row(escape(name), escape(shortened(notes)))
    if report.left_over:
        table.add_row(
            "left over",
            escape(
                f"{len(report.left_over)} videos of earlier preparations are not in the raw folder "
                f"now, and stay in the store: {shortened(report.left_over, ', ')}; delete their "
                "folders to leave them out"
            ),
        )
    if table.row_count:
        console.print(table)
    console.print(
        f"{len(report.prepared)} videos prepared, {len(report.kept)} were up to date, "
        f"{len(report.unusable)} files could not be used"
    )


def shortened(sentences: list[str], separator: str = "; ") -> str:
    """The first few of many sentences, and how many more there are."""
    more = len(sentences) - NUM_SHOWN
    return separator.join(sentences[:NUM_SHOWN]) + (f" ... and {more} more" if more > 0 else "")
