"""Measures one annotated frame; summary.py turns these rows into results."""

from collections.abc import Mapping

import numpy as np

from lgrseg.data.record import VideoRecord
from lgrseg.evaluation.clinical.chambers import chambers_of
from lgrseg.evaluation.clinical.volumes import measure_chamber
from lgrseg.evaluation.metrics import overlap, surface
from lgrseg.evaluation.metrics import s_measure as structure

BEHIND = {"left_ventricle": "left_atrium", "left_atrium": "left_ventricle"}
"""The chamber behind a chamber's valve."""


def score_frame(
    prediction: np.ndarray,
    truth: np.ndarray,
    record: VideoRecord,
    frame: int,
    classes: tuple[str, ...],
    *,
    tolerance: float,
    roles: Mapping[str, str] | None = None,
) -> dict:
    """Measure one frame; the result holds plain values only, to be sent between processes.

    Args:
        prediction: (H, W) uint8 at the original size, 0 background, k + 1 for class k.
        truth: (H, W) likewise.
        record: record of the video.
        frame: index of the frame.
        classes: names.
        tolerance: tolerance of the surface Dice, in mm (in pixels where the record has no spacing).
        roles: role -> class, of chambers that are not called as their role.

    Raises:
        ValueError: the sizes differ, or a label is not one of the classes.
    """
    if truth.shape != prediction.shape:
        raise ValueError(
            f"the truth has shape {truth.shape}, the prediction {prediction.shape}; prepare the "
            "dataset again"
        )
    spacing = record.spacing_mm
    row = {
        "video_id": record.video_id,
        "frame": frame,
        "patient": record.patient,
        "site": record.site,
        "quality": record.image_quality,
        "counts": overlap.count_pixels(prediction, truth, len(classes)).tolist(),
        "distances": surface.measure(
            prediction, truth, len(classes), spacing=spacing, tolerance=tolerance
        ),
        "unit": "mm" if spacing else "px",
        "phase": None,
        "reference_ejection_fraction": record.reference_ejection_fraction,
    }
    if len(classes) == 1:
        row["s_measure"] = structure.s_measure(prediction > 0, truth > 0)
        row["mae"] = structure.mean_absolute_error(prediction > 0, truth > 0)
    has_ventricle = "left_ventricle" in chambers_of(classes, roles or {})
    for phase, phase_frame in (("ed", record.ed_frame), ("es", record.es_frame)):
        if phase_frame == frame and has_ventricle:
            row["phase"] = phase
            row["hearts"] = {
                "prediction": measure_heart(prediction, classes, spacing, roles),
                "truth": measure_heart(truth, classes, spacing, roles),
            }
    return row


def measure_heart(
    labels: np.ndarray,
    classes: tuple[str, ...],
    spacing_mm: tuple[float, float] | None,
    roles: Mapping[str, str] | None = None,
) -> dict[str, dict]:
    """Area, length and volume of the left chambers on a frame.

    Args:
        labels: (H, W) uint8, 0 background, k + 1 for class k.
        classes: names.
        spacing_mm: millimetres between rows and between columns; None: lengths are in pixels.
        roles: role -> class, of chambers that are not called as their role.

    Returns:
        Role of the chamber -> "area_mm2", "length_mm", "volume_ml" and "problems"; NaN where it
        is not there.
    """
    chambers = {}
    masks = {
        role: labels == classes.index(name) + 1
        for role, name in chambers_of(classes, roles or {}).items()
    }
    for name, mask in masks.items():
        chamber = measure_chamber(mask, spacing_mm or (1.0, 1.0), neighbour=masks.get(BEHIND[name]))
        nan = float("nan")
        chambers[name] = {
            "area_mm2": nan if chamber is None else chamber.area_mm2,
            "length_mm": nan if chamber is None else chamber.axis.length,
            "volume_ml": nan if chamber is None else chamber.volume_ml,
            "problems": ["not there"] if chamber is None else list(chamber.problems),
        }
    return chambers
