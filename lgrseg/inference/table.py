"""measurements.csv: a table with one line for every clip of a folder of results."""

import csv
from pathlib import Path

import numpy as np

from lgrseg.checkpoint.whole_files import appears_whole

TABLE = "measurements.csv"
COLUMNS = (
    "clip",
    "frames",
    "fps",
    "row_spacing_mm",
    "column_spacing_mm",
    "beats",
    "whole_beats",
    "first_ed_frame",
    "first_es_frame",
    "mean_edv_ml",
    "mean_esv_ml",
    "ejection_fraction_percent",
    "area_unit",
    "doubts",
    "notes",
    "model",
)
"""First columns of every table; mean area and steadiness of every class follow."""
RATES = ("jumps_per_second", "vanishings_per_second")
"""Measures of steadiness in the table."""


def row_of(facts: dict) -> dict:
    """Make the line of a clip from the content of its measurements file.

    Frames and volumes are those of whole beats, which are the beats without problems.
    """
    whole = [beat for beat in facts["beats"] if not beat["problems"]]
    first = whole[0] if whole else {}
    row, column = facts["spacing_mm"] or (None, None)
    return {
        "frames": facts["frames"],
        "fps": facts["fps"],
        "row_spacing_mm": row,
        "column_spacing_mm": column,
        "beats": len(facts["beats"]),
        "whole_beats": len(whole),
        "first_ed_frame": first.get("ed_frame"),
        "first_es_frame": first.get("es_frame"),
        "mean_edv_ml": _mean([beat["edv_ml"] for beat in whole]),
        "mean_esv_ml": _mean([beat["esv_ml"] for beat in whole]),
        "ejection_fraction_percent": _rounded(facts["ejection_fraction"]),
        "area_unit": facts["area_unit"],
        "doubts": "; ".join(facts["doubts"]),
        "notes": "; ".join(facts["notes"]),
        "model": facts["model"],
        **{f"{name}_mean_area": _mean(areas) for name, areas in facts["areas"].items()},
        **{
            f"{name}_{rate}": _rounded(found.get(rate))  # missing in files of earlier versions
            for name, found in facts["steadiness"].items()
            for rate in RATES
        },
    }


def _mean(values: list) -> float | None:
    known = [value for value in values if value is not None]
    return _rounded(float(np.mean(known))) if known else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def read_table(path: Path) -> dict[str, dict]:
    """Read the lines by clip; empty if there is no table yet.

    Raises:
        FileExistsError: the file exists and is another table.
    """
    if not path.exists():
        return {}
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ())[: len(COLUMNS)] == COLUMNS:
                return {line.pop("clip"): line for line in reader}
    except (UnicodeDecodeError, csv.Error):
        pass  # another kind of file
    raise FileExistsError(
        f"{path} exists and was not written by this tool, so it is not replaced: choose another "
        "folder for the results"
    )


def update_table(path: Path, rows: dict[str, dict]) -> None:
    """Add lines to a table, and replace lines of the same clips.

    Args:
        path: file of the table; it is created if it is missing.
        rows: new lines by clip, from `row_of`.

    Raises:
        FileExistsError: the file exists and is another table.
    """
    lines = read_table(path) | rows
    others = {key for line in lines.values() for key in line if key and key not in COLUMNS}
    with appears_whole(path) as half_done:
        with open(half_done, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [*COLUMNS, *sorted(others)], extrasaction="ignore")
            writer.writeheader()
            writer.writerows({"clip": clip} | lines[clip] for clip in sorted(lines))
