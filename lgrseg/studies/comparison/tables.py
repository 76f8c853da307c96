"""Writes a comparison as Markdown, CSV and JSON."""

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from lgrseg.evaluation.results import plain
from lgrseg.reporting.tables import MISSED_NOTE, markdown_table, show, with_interval
from lgrseg.studies.comparison.paired import Pair
from lgrseg.studies.comparison.results import BackboneComparison, ComparedRow, Section, Table


def write_tables(comparison: BackboneComparison, output: Path) -> list[Path]:
    """Write comparison.md, .csv, _paired.csv and .json, and return their paths."""
    output.mkdir(parents=True, exist_ok=True)
    contents = {
        "comparison.md": markdown(comparison),
        "comparison.csv": comma_separated(comparison, "rows"),
        "comparison_paired.csv": comma_separated(comparison, "paired"),
        "comparison.json": json.dumps(plain(comparison), indent=1) + "\n",
    }
    for name, text in contents.items():
        (output / name).write_text(text, encoding="utf-8")
    return [output / name for name in contents]


def markdown(comparison: BackboneComparison) -> str:
    """Format every table with its tests and its agreement."""
    parts = ["# Backbones compared"]
    for section in comparison.sections:
        share = f"{100 * section.label_fraction:g}% of the labels"
        people = f"{len(section.labelled_patients)} patients"
        for table in section.tables:
            parts.append(f"## {section.dataset}, {share} ({people}): {table.title}")
            parts += [_rows(table), _notes(table), "### Paired tests over patients"]
            parts += [paired_table(table.paired), "### Bland-Altman", _agreement(table)]
    if comparison.failed:
        parts += ["## Failed", "\n".join(f"- {name}" for name in comparison.failed)]
    return "\n\n".join(parts) + "\n"


def _rows(table: Table) -> str:
    unit = table.rows[0].distance_unit
    head = ["", "weights", "seeds", "patients", "Dice ± patients", "± seeds", f"HD95 ({unit})"]
    head += ["missed", "parameters (M)", "trained (M)", "GFLOPs", "images/s", "memory (MiB)"]
    head += ["training (s)", "features"]
    return markdown_table(head, [_cells(row) for row in table.rows])


def _cells(row: ComparedRow) -> list[str]:
    spread = f" ± {show(row.dice_sd_patients)}" if row.dice_sd_patients else ""
    return [
        row.row + (" (whole config)" if row.whole_config else ""),
        row.weights,
        str(len(row.seeds)),
        f"{row.num_scored} of {row.num_patients}",
        show(row.dice) + spread,
        show(row.dice_sd_seeds),
        show(row.hd95, 2),
        show(row.missed, 1),
        f"{row.parameters / 1e6:.3f}",
        f"{row.trained / 1e6:.3f}",
        f"{row.gflops:.2f}",
        f"{row.images_per_second:.1f}",
        str(row.memory_mib),
        f"{row.train_seconds:.1f}",
        "kept" if row.cached else "computed",
    ]


def _notes(table: Table) -> str:
    rows = table.rows
    copies = rows[0].copies
    clips = f"{copies} fixed augmented copies of each clip" if copies else "unaugmented clips"
    if copies is None:
        clips = "clips with the config's random augmentation, encoders fine-tuned"
    precisions = sorted({str(row.precision) for row in rows if row.cached})
    notes = [
        "Dice: mean over patients of each class, then over classes, of the weights after the last "
        "step; ± standard deviation of the patients' means over their classes, which are compared "
        "in the paired tests; the next column is the deviation over seeds. A class in neither "
        "truth nor prediction is left out. So a patient without any class has no score, and is in "
        "no paired test with that row; and if classes are absent, a paired difference need not be "
        "the difference of two values of Dice.",
        f"{MISSED_NOTE} Their number is the mean over seeds.",
        f"Trained on {clips}"
        + (
            f", the encoder's features cached as {' and '.join(precisions)}." if precisions else "."
        ),
        "All rows have the same clips, steps, batch size and seeds.",
        "Images per second and memory are those of prediction, one clip at a time and without a "
        "cache; on a CPU, memory is that of the whole process.",
        "GFLOPs are per image; a multiplication with its addition is one operation.",
        "Training time is the mean over the runs, and includes the computation of the features.",
    ]
    if taken := [f"{row.row} {row.blocks}" for row in rows if row.blocks]:
        notes.insert(3, f"Feature maps are taken: {'; '.join(taken)}.")
    if any(row.whole_config for row in rows):
        notes.insert(3, "A whole config has its own optimiser, schedule and clip norm.")
    return " ".join(notes)


def paired_table(pairs: Sequence[Pair], *, score: str = "Dice") -> str:
    """Markdown table of paired tests over patients; `score` names what was compared."""
    if not pairs:
        return "none: one row"
    head = ["", "patients", f"difference in {score} [95% interval]", "p (Wilcoxon)", "p (Holm)"]
    lines = [
        [
            f"{pair.one} - {pair.other}",
            str(pair.num),
            with_interval(pair.difference, pair.difference_ci95, pair.num),
            _p(pair.p),
            _p(pair.p_holm),
        ]
        for pair in pairs
    ]
    note = ""
    if any(pair.num < 6 for pair in pairs):
        note = "\n\nFewer than six patients can never show a difference at p < 0.05."
    return markdown_table(head, lines) + note


def _p(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.4f}" if value >= 0.0001 else f"{value:.0e}"


def _agreement(table: Table) -> str:
    if not table.agreement:
        return "none: no volumes in this dataset"
    head = [
        "",
        "quantity",
        "n",
        "missing",
        "bias [95% interval]",
        "limits of agreement",
        "mean abs. difference",
    ]
    lines = [
        [
            f"{pair['one']} - {pair['other']}",
            f"{pair['quantity'].replace('_', ' ')}, {pair['unit']}",
            str(pair["num"]),
            str(pair["missing"]),
            with_interval(pair["bias"], pair["bias_ci95"], pair["num_patients"], 1),
            " to ".join(show(limit, 1) for limit in pair["limits"]),
            show(pair["mae"], 1),
        ]
        for pair in table.agreement
    ]
    return markdown_table(head, lines)


def comma_separated(comparison: BackboneComparison, what: Literal["rows", "paired"]) -> str:
    """Make CSV with one line per row or pair, with the title of its table."""
    lines = [
        _columns(section, table, line)
        for section in comparison.sections
        for table in section.tables
        for line in (table.rows if what == "rows" else table.paired)
    ]
    text = io.StringIO()
    if lines:
        writer = csv.DictWriter(text, lines[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: " ".join(map(str, v)) if isinstance(v, list) else v for k, v in line.items()}
            for line in lines
        )
    return text.getvalue()


def _columns(section: Section, table: Table, line: ComparedRow | Pair) -> dict:
    """Column -> value of one line of a CSV file; dicts have no column."""
    columns = {
        "dataset": section.dataset,
        "label_fraction": section.label_fraction,
        "table": table.title,
        "machinery_check": table.machinery_check,
    }
    values = plain(line)
    return columns | {key: values[key] for key in values if not isinstance(values[key], dict)}
