"""Pools the runs of a cross-validation.

Every patient counts once, with the scores of the run that was not trained on his videos.
"""

import json
from pathlib import Path

import numpy as np

from lgrseg.evaluation.metrics import overlap
from lgrseg.evaluation.metrics.agreement import agreement
from lgrseg.evaluation.results import plain
from lgrseg.reporting.tables import markdown_table


def pooled(files: list[Path]) -> dict:
    """Scores over the patients of all folds.

    Args:
        files: results.json of every fold, for the patients on whom it was not trained.

    Returns:
        "num_patients"; "classes": class -> "dice", "dice_ci95" and "folds" (mean of each fold);
        "mean": the same over all classes; "patients": patient -> class -> Dice; and, if a video
        has an ejection fraction, "ejection_fraction": the result of `agreement`.

    Raises:
        ValueError: a patient is in two folds, or two runs have other classes.
    """
    results = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    classes = list(results[0]["classes"])
    patients: dict[str, dict] = {}
    for file, result in zip(files, results, strict=True):
        if list(result["classes"]) != classes:
            raise ValueError(f"{file} has the classes {list(result['classes'])}, not {classes}")
        if twice := set(patients) & set(result["patients"]):
            raise ValueError(f"{file}: patient {min(twice)} is in another fold too")
        patients |= result["patients"]
    scores = np.array([[row[name] for name in classes] for row in patients.values()], float)
    folds = np.array([[r["classes"][name]["dice"] for name in classes] for r in results], float)
    found = {
        "num_patients": len(patients),
        "classes": {name: _scores(scores[:, [k]], folds[:, k]) for k, name in enumerate(classes)},
        "mean": _scores(scores, [result["mean"]["dice"] for result in results]),
        "patients": patients,
    }
    cases = [case for result in results for case in (result["heart"] or {}).get("cases", ())]
    if cases:
        measured, truth = (
            np.array([case[source]["ejection_fraction"] for case in cases], float)
            for source in ("prediction", "truth")
        )
        found["ejection_fraction"] = agreement(measured, truth, [c["patient"] for c in cases])
    return plain(found)


def _scores(scores: np.ndarray, folds) -> dict:
    return {
        "dice": overlap.mean(overlap.mean(scores, axis=0)),
        "dice_ci95": overlap.bootstrap_interval(scores),
        "folds": [float(value) for value in np.asarray(folds, float)],
    }


def table_of(found: dict) -> str:
    """The pooled scores as a Markdown table."""
    num_folds = len(found["mean"]["folds"])
    head = ["structure", "Dice", "95% interval", *(f"fold {k}" for k in range(num_folds))]
    rows = []
    for name, scores in {**found["classes"], "mean": found["mean"]}.items():
        ends = scores["dice_ci95"]
        interval = f"{ends[0]:.3f} to {ends[1]:.3f}" if ends else "-"
        values = [scores["dice"], *scores["folds"]]
        shown = ["-" if value is None else f"{value:.3f}" for value in values]
        rows.append([name.replace("_", " "), shown[0], interval, *shown[1:]])
    note = f"Dice of {found['num_patients']} patients, each in the fold that was left out."
    if heart := found.get("ejection_fraction"):
        note += f" Ejection fraction: {_error(heart)}."
    return f"{markdown_table(head, rows)}\n\n{note}\n"


def _error(heart: dict) -> str:
    if not heart["num"]:
        return f"measured in none of {heart['missing']} videos"
    return (
        f"mean absolute error {heart['mae']:.1f}%, bias {heart['bias']:+.1f}% ({heart['num']} "
        f"videos, {heart['missing']} not measured)"
    )
