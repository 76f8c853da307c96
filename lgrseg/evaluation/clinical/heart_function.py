"""Volumes and ejection fraction of every video whose end-diastole and end-systole were scored.

Truth is what the same method gives on the true masks. A dataset's own reference (of another view,
another method, another reader) is kept beside it, where there is one.
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
"""What is compared, and its unit. The area change is fractional; the left atrium is measured at
end-systole, when it is largest."""


def heart_function(rows: list[dict], *, seed: int = 0) -> dict | None:
    """Cases and agreement.

    Args:
        rows: of `score_frame`.
        seed: of the bootstrap.

    Returns:
        "cases" (a dict a video, the largest error of the ejection fraction first, one that could
        not be measured before all others) and "agreement" (quantity -> what `agreement` returns,
        with "unit"), and "by_site" and "by_quality", the same of the ejection fraction alone; None
        where no video shows both
        phases. Quantities in ml are left out where no video has a spacing.
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
    """Agreement of the ejection fraction in every site, or image quality, that is known."""
    found = {}
    for group in sorted({case[key] for case in cases if case[key] is not None}):
        chosen = [case for case in cases if case[key] == group]
        measured, truth = (
            np.array([case[source]["ejection_fraction"] for case in chosen])
            for source in ("prediction", "truth")
        )
        patients = [case["patient"] for case in chosen]
        found[group] = agreement(measured, truth, patients, seed=seed) | {"unit": "%"}
    return found


def _error(case: dict) -> float:
    error = abs(case["prediction"]["ejection_fraction"] - case["truth"]["ejection_fraction"])
    return error if np.isfinite(error) else np.inf


def _cases(rows: list[dict]) -> list[dict]:
    phases: dict[str, dict[str, dict]] = {}
    for row in rows:
        if row["phase"]:
            phases.setdefault(row["video_id"], {})[row["phase"]] = row
    cases = []
    for name, found in phases.items():
        if set(found) != {"ed", "es"}:
            continue
        diastole, systole = found["ed"], found["es"]
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
    before, after = diastole["left_ventricle"], systole["left_ventricle"]
    edv, esv = before["volume_ml"], after["volume_ml"]
    atrium = systole.get("left_atrium", {}).get("volume_ml", float("nan"))
    problems = [f"ED: {problem}" for problem in before["problems"]]
    problems += [f"ES: {problem}" for problem in after["problems"]]
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
        "area_change": 100 * ejection_fraction(before["area_mm2"], after["area_mm2"]),
        **millilitres,
        "problems": problems + impossible,
    }
