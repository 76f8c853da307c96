"""Volumes and ejection fraction of every video whose end-diastole and end-systole were scored.

The true value is what the same method measures on the true masks. If the dataset has a reference
value (from another view, method or reader), it is reported as well.
"""

import numpy as np

from lgrseg.evaluation.clinical.volumes import ejection_fraction, impossible_change
from lgrseg.evaluation.metrics.agreement import agreement

QUANTITIES = {
    "ejection_fraction": "%",
    "area_change": "%",
    "edv": "ml",
    "esv": "ml",
    "stroke_volume": "ml",
    "left_atrial_volume": "ml",
}
"""Compared quantities and their units. The area change is fractional; the left atrium is measured
at end-systole, when it is largest."""


def heart_function(rows: list[dict], *, seed: int = 0) -> dict | None:
    """Measure the heart function of every video, and compare it with the truth.

    Args:
        rows: results of `score_frame`, one per annotated frame.
        seed: seed of the bootstrap; the same seed gives the same intervals.

    Returns:
        "cases": one dict per video; videos that could not be measured come first, then the others
        by decreasing error of the ejection fraction. "agreement": quantity -> result of
        `agreement`, with "unit"; quantities in ml are left out if no video has a spacing.
        "by_site" and "by_quality": agreement of the ejection fraction in each group. None if no
        video has both phases.
    """
    cases = _cases(rows)
    if not cases:
        return None
    patients = [case["patient"] for case in cases]
    compared = {}
    for name, unit in QUANTITIES.items():
        measured, truth = (
            np.array([case[source][name] for case in cases]) for source in ("prediction", "truth")
        )
        if np.isfinite(truth).any():
            compared[name] = agreement(measured, truth, patients, seed=seed) | {"unit": unit}
    references = np.array([case["reference_ejection_fraction"] for case in cases], float)
    if np.isfinite(references).any():
        measured = np.array([case["prediction"]["ejection_fraction"] for case in cases])
        compared["ejection_fraction_against_reference"] = agreement(
            measured, references, patients, seed=seed
        ) | {"unit": "%"}
    return {
        "cases": sorted(cases, key=_error, reverse=True),
        "agreement": compared,
        "by_site": _by_group(cases, "site", seed),
        "by_quality": _by_group(cases, "quality", seed),
    }


def _by_group(cases: list[dict], key: str, seed: int) -> dict[str, dict]:
    """Agreement of the ejection fraction for every known site or image quality."""
    agreements = {}
    for group in sorted({case[key] for case in cases if case[key] is not None}):
        chosen = [case for case in cases if case[key] == group]
        measured, truth = (
            np.array([case[source]["ejection_fraction"] for case in chosen])
            for source in ("prediction", "truth")
        )
        patients = [case["patient"] for case in chosen]
        agreements[group] = agreement(measured, truth, patients, seed=seed) | {"unit": "%"}
    return agreements


def _error(case: dict) -> float:
    error = abs(case["prediction"]["ejection_fraction"] - case["truth"]["ejection_fraction"])
    return error if np.isfinite(error) else np.inf


def _cases(rows: list[dict]) -> list[dict]:
    phases: dict[str, dict[str, dict]] = {}
    for row in rows:
        if row["phase"]:
            phases.setdefault(row["video_id"], {})[row["phase"]] = row
    cases = []
    for name, frames in phases.items():
        if set(frames) != {"ed", "es"}:
            continue
        diastole, systole = frames["ed"], frames["es"]
        has_spacing = diastole["unit"] == "mm"
        case = {
            "video_id": name,
            "patient": diastole["patient"],
            "site": diastole["site"],
            "quality": diastole["quality"],
            "reference_ejection_fraction": diastole["reference_ejection_fraction"],
        }
        for source in ("prediction", "truth"):
            case[source] = _quantities(
                diastole["hearts"][source], systole["hearts"][source], has_spacing
            )
        cases.append(case)
    return cases


def _quantities(diastole: dict, systole: dict, has_spacing: bool) -> dict:
    ventricle_ed, ventricle_es = diastole["left_ventricle"], systole["left_ventricle"]
    edv, esv = ventricle_ed["volume_ml"], ventricle_es["volume_ml"]
    atrium = systole.get("left_atrium", {}).get("volume_ml", float("nan"))
    problems = [f"ED: {problem}" for problem in ventricle_ed["problems"]]
    problems += [f"ES: {problem}" for problem in ventricle_es["problems"]]
    impossible = impossible_change(edv, esv)
    millilitres = {
        "edv": edv,
        "esv": esv,
        "stroke_volume": float("nan") if impossible else edv - esv,
        "left_atrial_volume": atrium,
    }
    if not has_spacing:
        millilitres = dict.fromkeys(millilitres, float("nan"))
    return {
        "ejection_fraction": 100 * ejection_fraction(edv, esv),
        "area_change": 100 * ejection_fraction(ventricle_ed["area_mm2"], ventricle_es["area_mm2"]),
        **millilitres,
        "problems": problems + impossible,
    }
