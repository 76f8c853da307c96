"""Tables of Dice by dataset, degradation and strength."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lgrseg.reporting.tables import markdown_table, show
from lgrseg.studies.robustness.degradations import CLEAN, DEGRADATIONS
from lgrseg.studies.robustness.plot import write_plot
from lgrseg.studies.robustness.scores import Scores


def write_tables(rows: Sequence[Scores], output: Path) -> str:
    """Write scores.csv, robustness.md and robustness.png.

    Returns:
        The tables in Markdown.
    """
    with open(output / "scores.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        head = ("run", "dataset", "patients", "degradation", "strength", "structure")
        writer.writerow([*head, "dice", "hd95", "missed", "distance_unit"])
        for row in rows:
            for name in row.dice:
                values = (row.dice[name], row.hd95[name], row.missed[name], row.distance_unit)
                writer.writerow(
                    [row.run, row.dataset, row.num_patients, *row.key[2:], name, *values]
                )
    text = f"{clean_table(rows)}\n\n{strength_table(rows)}\n"
    (output / "robustness.md").write_text(text, encoding="utf-8")
    write_plot(rows, output / "robustness.png")
    return text


def structures_of(rows: Sequence[Scores]) -> list[str]:
    """All structures that are scored, in the order of the rows."""
    return list(dict.fromkeys(name for row in rows for name in row.dice))


def mean_dice(row: Scores) -> float | None:
    """Mean over the structures that have a Dice."""
    known = [dice for dice in row.dice.values() if dice is not None]
    return float(np.mean(known)) if known else None


def clean_table(rows: Sequence[Scores]) -> str:
    """Dice of every run on every dataset, without degradation."""
    structures = structures_of(rows)
    head = ["run", "dataset", *(name.replace("_", " ") for name in structures), "mean"]
    cells = [
        [
            row.run,
            f"{row.dataset} ({row.num_patients} patients)",
            *(show(row.dice.get(name), 3) for name in structures),
            show(mean_dice(row), 3),
        ]
        for row in rows
        if row.degradation == CLEAN.name
    ]
    return markdown_table(head, cells)


def strength_table(rows: Sequence[Scores]) -> str:
    """Mean Dice over the structures, and below each the strength."""
    by_key = {row.key: row for row in rows}
    cells = []
    for run, dataset in dict.fromkeys((row.run, row.dataset) for row in rows):
        clean = by_key.get((run, dataset, CLEAN.name, 0))
        for one in DEGRADATIONS:
            found = [(s, by_key.get((run, dataset, one.name, s))) for s in one.strengths]
            if not any(row for _, row in found):
                continue
            shown = [f"{s:g}: {show(mean_dice(row), 3) if row else '-'}" for s, row in found]
            start = show(mean_dice(clean), 3) if clean else "-"
            cells.append([run, dataset, f"{one.name} ({one.unit})", start, *shown])
    head = ["run", "dataset", "degradation", "clean", "strength 1", "2", "3", "4"]
    return markdown_table(head, cells)
