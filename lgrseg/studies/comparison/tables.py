"""Writes a comparison as Markdown, CSV and JSON."""

import csv
import io
import json
from pathlib import Path

from lgrseg.reporting.tables import MISSED_NOTE, show, with_interval


def write_tables(comparison: dict, output: Path) -> list[Path]:
    """Write comparison.md, .csv, _paired.csv and .json, and return their paths."""
    output.mkdir(parents=True, exist_ok=True)
    contents = {
        "comparison.md": markdown(comparison),
        "comparison.csv": comma_separated(comparison, "rows"),
        "comparison_paired.csv": comma_separated(comparison, "paired"),
        "comparison.json": json.dumps(comparison, indent=1) + "\n",
    }
    for name, text in contents.items():
        (output / name).write_text(text, encoding="utf-8")
    return [output / name for name in contents]


def markdown(comparison: dict) -> str:
    """Format every table with its tests and its agreement."""
    parts = ["# Backbones compared"]
    for section in comparison["sections"]:
        share = f"{100 * section['label_fraction']:g}% of the labels"
        people = f"{len(section['labelled_patients'])} patients"
        for table in section["tables"]:
            parts.append(f"## {section['dataset']}, {share} ({people}): {table['title']}")
            parts += [_rows(table), _notes(table), "### Paired tests over patients"]
            parts += [_paired(table), "### Bland-Altman", _agreement(table)]
    if comparison["failed"]:
        parts += ["## Failed", "\n".join(f"- {name}" for name in comparison["failed"])]
    return "\n\n".join(parts) + "\n"


def _rows(table: dict) -> str:
    unit = table["rows"][0]["distance_unit"]
    head = ["", "weights", "seeds", "patients", "Dice ± patients", "± seeds", f"HD95 ({unit})"]
    head += ["missed", "parameters (M)", "trained (M)", "GFLOPs", "images/s", "memory (MiB)"]
    head += ["training (s)", "features"]
    lines = []
    for row in table["rows"]:
        spread = f" ± {show(row['dice_sd_patients'])}" if row["dice_sd_patients"] else ""
        lines.append(
            [
                row["row"] + (" (whole config)" if row["whole_config"] else ""),
                row["weights"],
                str(len(row["seeds"])),
                f"{row['num_scored']} of {row['num_patients']}",
                show(row["dice"]) + spread,
                show(row["dice_sd_seeds"]),
                show(row["hd95"], 2),
                show(row["missed"], 1),
                f"{row['parameters'] / 1e6:.3f}",
                f"{row['trained'] / 1e6:.3f}",
                f"{row['gflops']:.2f}",
                f"{row['images_per_second']:.1f}",
                str(row["memory_mib"]),
                f"{row['train_seconds']:.1f}",
                "kept" if row["cached"] else "computed",
            ]
        )
    return _table(head, lines)


def _notes(table: dict) -> str:
    rows = table["rows"]
    copies = rows[0]["copies"]
    clips = f"{copies} fixed augmented copies of each clip" if copies else "unaugmented clips"
    precisions = sorted({row["precision"] for row in rows if row["cached"]})
    notes = [
        "Dice: mean over patients, ± standard deviation over patients, of the weights after the "
        "last step; its deviation over seeds stands beside it. A patient in whom neither truth nor "
        "prediction has any class has no score, and is in no paired test with that row.",
        f"{MISSED_NOTE} Their number is the mean over seeds.",
        f"Trained on {clips}"
        + (
            f", the encoder's features cached as {' and '.join(precisions)}." if precisions else "."
        ),
        "All rows have the same clips, steps, batch and seeds.",
        "Images a second and memory are of prediction, one clip at a time, with nothing kept; on a "
        "CPU memory is the whole process.",
        "GFLOPs are of one image; a multiplication with its addition is one.",
        "Training is the mean over the runs, the filling of the features in it.",
    ]
    if taken := [f"{row['row']} {row['blocks']}" for row in rows if row["blocks"]]:
        notes.insert(3, f"Maps are taken: {'; '.join(taken)}.")
    if any(row["whole_config"] for row in rows):
        notes.insert(3, "A whole config has its own optimiser, schedule and clip norm.")
    return " ".join(notes)


def _paired(table: dict) -> str:
    if not table["paired"]:
        return "none: one row"
    head = ["", "patients", "difference in Dice [95% interval]", "p (Wilcoxon)", "p (Holm)"]
    lines = [
        [
            f"{pair['one']} - {pair['other']}",
            str(pair["num"]),
            with_interval(pair["difference"], pair["difference_ci95"], pair["num"]),
            _p(pair["p"]),
            _p(pair["p_holm"]),
        ]
        for pair in table["paired"]
    ]
    note = ""
    if any(pair["num"] < 6 for pair in table["paired"]):
        note = "\n\nFewer than six patients can never show a difference at p < 0.05."
    return _table(head, lines) + note


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if value >= 0.0001 else f"{value:.0e}"


def _agreement(table: dict) -> str:
    if not table["agreement"]:
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
        for pair in table["agreement"]
    ]
    return _table(head, lines)


def _table(head: list[str], lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *lines])


def comma_separated(comparison: dict, what: str) -> str:
    """Make CSV with one line per entry of "rows" or "paired", with the title of its table."""
    lines = [
        {
            "dataset": section["dataset"],
            "label_fraction": section["label_fraction"],
            "table": table["title"],
            "machinery_check": table["machinery_check"],
        }
        | {key: value for key, value in line.items() if not isinstance(value, dict)}
        for section in comparison["sections"]
        for table in section["tables"]
        for line in table[what]
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
