"""Writes results.json as strict JSON, and predictions.csv beside it."""

import csv
import json
import math
from dataclasses import asdict, is_dataclass
from pathlib import Path

import numpy as np


def write_results(results: dict, folder: Path) -> Path:
    """Write results.json; NaN and infinity become null.

    "predictions" of a classifier, one row per clip, are written to predictions.csv instead.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if rows := results.get("predictions"):
        with open(folder / "predictions.csv", "w", encoding="utf-8", newline="") as table:
            writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        results = {key: value for key, value in results.items() if key != "predictions"}
    file = folder / "results.json"
    file.write_text(json.dumps(plain(results), indent=1, allow_nan=False), encoding="utf-8")
    return file


def plain(value):
    """Convert a nested value to types that JSON has.

    Dataclasses become dicts, tuples lists, NumPy numbers Python's, and NaN or infinity None.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
