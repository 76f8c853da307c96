"""Volumes and ejection fraction of every video whose end-diastole and end-systole were scored.

The true value is measured with the same method on the true masks. If the dataset has a reference
value (from another view, method or reader), it is reported as well.
"""

from dataclasses import asdict, dataclass

import numpy as np

from lgrseg.evaluation.clinical.volumes import ejection_fraction, impossible_change
from lgrseg.evaluation.frame_scores import ChamberMeasures, FrameRow
from lgrseg.evaluation.metrics.agreement import agreement

QUANTITIES = {
    "ejection_fraction": "%",
    "area_change": "%",
    "edv": "ml",
    "esv": "ml",
    "stroke_volume": "ml",
    "left_atrial_volume": "ml",
}
"""Compared quantities and their units. The area change is relative to end-diastole. The left atrium
is measured at end-systole, when it is largest."""


@dataclass(frozen=True)
class Quantities:
    """QUANTITIES of one video, from masks of end-diastole and end-systole; NaN if unknown."""

    ejection_fraction: float
    """In %."""
    area_change: float
    """In %."""
    edv: float
    """In ml, like all volumes; NaN without spacing."""
    esv: float
    stroke_volume: float
    left_atrial_volume: float
    problems: list[str]
    """Reasons to doubt the values."""


@dataclass(frozen=True)
class Case:
    """One video whose end-diastole and end-systole were scored."""

    video_id: str
    patient: str
    site: str | None
    quality: str | None
    reference_ejection_fraction: float | None
    """Value in the dataset, in %; None if the dataset has no value."""
    prediction: Quantities
    truth: Quantities

    def pair(self, quantity: str) -> tuple[float, float]:
        """The predicted and the true value of one of QUANTITIES."""
        return getattr(self.prediction, quantity), getattr(self.truth, quantity)


def heart_function(rows: list[FrameRow], *, seed: int = 0) -> dict | None:
    """Measure the heart function of every video, and compare it with the truth.

    Args:
        rows: results of `score_frame`, one per annotated frame.
        seed: seed of the bootstrap; the same seed gives the same intervals.

    Returns:
        "cases": one dict per video with the fields of Case; videos that could not be measured come
        first, then the others by decreasing error of the ejection fraction. "agreement": quantity
        -> result of `agreement`, with "unit"; quantities in ml are left out if no video has a
        spacing. "by_site" and "by_quality": agreement of the ejection fraction in each group. None
        if no video has both phases.
    """
    cases = _cases(rows)
    if not cases:
        return None
    patients = [case.patient for case in cases]
    compared = {}
    for name, unit in QUANTITIES.items():
        measured, truth = np.array([case.pair(name) for case in cases]).T
        if np.isfinite(truth).any():
            compared[name] = agreement(measured, truth, patients, seed=seed) | {"unit": unit}
    references = np.array([case.reference_ejection_fraction for case in cases], float)
    if np.isfinite(references).any():
        measured = np.array([case.prediction.ejection_fraction for case in cases])
        compared["ejection_fraction_against_reference"] = agreement(
            measured, references, patients, seed=seed
        ) | {"unit": "%"}
    return {
        "cases": [asdict(case) for case in sorted(cases, key=_error, reverse=True)],
        "agreement": compared,
        "by_site": _by_group(cases, [case.site for case in cases], seed),
        "by_quality": _by_group(cases, [case.quality for case in cases], seed),
    }


def _by_group(cases: list[Case], groups: list[str | None], seed: int) -> dict[str, dict]:
    """Agreement of the ejection fraction for every known group (site or image quality)."""
    agreements = {}
    for group in sorted({name for name in groups if name is not None}):
        chosen = [case for case, name in zip(cases, groups, strict=True) if name == group]
        measured, truth = np.array([case.pair("ejection_fraction") for case in chosen]).T
        patients = [case.patient for case in chosen]
        agreements[group] = agreement(measured, truth, patients, seed=seed) | {"unit": "%"}
    return agreements


def _error(case: Case) -> float:
    error = abs(case.prediction.ejection_fraction - case.truth.ejection_fraction)
    return error if np.isfinite(error) else np.inf


def _cases(rows: list[FrameRow]) -> list[Case]:
    phases: dict[str, dict[str, FrameRow]] = {}
    for row in rows:
        if row.heart is not None:
            phases.setdefault(row.video_id, {})[row.heart.phase] = row
    return [
        _case(frames["ed"], frames["es"])
        for frames in phases.values()
        if set(frames) == {"ed", "es"}
    ]


def _case(diastole: FrameRow, systole: FrameRow) -> Case:
    assert diastole.heart is not None and systole.heart is not None
    has_spacing = diastole.unit == "mm"
    return Case(
        video_id=diastole.video_id,
        patient=diastole.patient,
        site=diastole.site,
        quality=diastole.quality,
        reference_ejection_fraction=diastole.reference_ejection_fraction,
        prediction=_quantities(diastole.heart.prediction, systole.heart.prediction, has_spacing),
        truth=_quantities(diastole.heart.truth, systole.heart.truth, has_spacing),
    )


def _quantities(
    diastole: dict[str, ChamberMeasures], systole: dict[str, ChamberMeasures], has_spacing: bool
) -> Quantities:
    ventricle_ed, ventricle_es = diastole["left_ventricle"], systole["left_ventricle"]
    edv, esv = ventricle_ed.volume_ml, ventricle_es.volume_ml
    problems = [f"ED: {problem}" for problem in ventricle_ed.problems]
    problems += [f"ES: {problem}" for problem in ventricle_es.problems]
    impossible = impossible_change(edv, esv)
    atrium = systole.get("left_atrium", ChamberMeasures())
    nan = float("nan")
    return Quantities(
        ejection_fraction=100 * ejection_fraction(edv, esv),
        area_change=100 * ejection_fraction(ventricle_ed.area_mm2, ventricle_es.area_mm2),
        edv=edv if has_spacing else nan,
        esv=esv if has_spacing else nan,
        stroke_volume=edv - esv if has_spacing and not impossible else nan,
        left_atrial_volume=atrium.volume_ml if has_spacing else nan,
        problems=problems + impossible,
    )
