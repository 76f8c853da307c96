"""Measures one annotated frame; summary.py turns these rows into results.

Letters: K classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lgrseg.data.record import VideoRecord
from lgrseg.evaluation.clinical.chambers import chambers_of
from lgrseg.evaluation.clinical.volumes import measure_chamber
from lgrseg.evaluation.metrics import overlap, surface
from lgrseg.evaluation.metrics import s_measure as structure
from lgrseg.evaluation.metrics.box_scores import FrameBoxes

BEHIND = {"left_ventricle": "left_atrium", "left_atrium": "left_ventricle"}
"""Chamber -> the chamber behind its valve."""
NAN = float("nan")


@dataclass
class ChamberMeasures:
    """One chamber on one frame. Without a spacing, a pixel counts as 1 mm."""

    area_mm2: float = NAN
    length_mm: float = NAN
    """Length of the long axis."""
    volume_ml: float = NAN
    """Volume by the method of disks."""
    problems: list[str] = field(default_factory=list)
    """Reasons to doubt the values."""


@dataclass
class LabelledHeart:
    """The chambers on a frame that is labelled as end-diastole or end-systole, by their role."""

    phase: str
    """"ed" or "es"."""
    prediction: dict[str, ChamberMeasures]
    truth: dict[str, ChamberMeasures]


@dataclass
class FrameRow:
    """Scores of one annotated frame; rows are sent between processes, so they have no tensors."""

    video_id: str
    frame: int
    """Index of the frame in its video."""
    patient: str
    site: str | None
    quality: str | None
    """Image quality in the words of the dataset; None if it is unknown."""
    counts: list[list[int]]
    """K times pixels of (intersection, prediction, truth)."""
    distances: np.ndarray
    """(K, 5) border distances in `unit`, columns as in `surface.NAMES`; the last one, the surface
    Dice, is between 0 and 1. NaN if the class is in neither mask, infinite if it is in one."""
    unit: str
    """Unit of the distances: "mm", or "px" for a video without spacing."""
    reference_ejection_fraction: float | None
    """Value in the dataset, in %; None if the dataset has no value."""
    s_measure: float | None = None
    """S-measure, 0 to 1; only for a single class."""
    mae: float | None = None
    """Share of pixels that differ, 0 to 1; only for a single class."""
    heart: LabelledHeart | None = None
    """None on frames that are not labelled as ED or ES, and without a left ventricle."""
    boxes: FrameBoxes | None = None
    """None if the model predicts no boxes."""
    anchor: int = 0
    """Frame of the video around which the clip was sampled."""

    @property
    def key(self) -> tuple[str, int, int]:
        """Video, anchor and frame: a frame that is in several clips has a row for each clip."""
        return self.video_id, self.anchor, self.frame


def score_frame(
    prediction: np.ndarray,
    truth: np.ndarray,
    record: VideoRecord,
    frame: int,
    classes: tuple[str, ...],
    *,
    tolerance: float,
    roles: Mapping[str, str] | None = None,
    fan: np.ndarray | None = None,
) -> FrameRow:
    """Measure one frame; the caller sets `boxes` and `anchor` of the row.

    Args:
        prediction: (H, W) uint8 at the original size, 0 background, k + 1 for class k.
        truth: (H, W) uint8, labelled in the same way.
        record: record of the video.
        frame: index of the frame in the video.
        classes: names of the classes.
        tolerance: tolerance of the surface Dice, in mm (in pixels where the record has no spacing).
        roles: role -> class, for chambers whose class has another name than their role.
        fan: (H, W) bool mask of the ultrasound fan; a chamber at its edge is reported as a problem.

    Raises:
        ValueError: the sizes differ, or a label is not one of the classes.
    """
    if truth.shape != prediction.shape:
        raise ValueError(
            f"the truth has shape {truth.shape}, the prediction {prediction.shape}; prepare the "
            "dataset again"
        )
    spacing = record.spacing_mm
    row = FrameRow(
        video_id=record.video_id,
        frame=frame,
        patient=record.patient,
        site=record.site,
        quality=record.image_quality,
        counts=overlap.count_pixels(prediction, truth, len(classes)).tolist(),
        distances=surface.measure(
            prediction, truth, len(classes), spacing=spacing, tolerance=tolerance
        ),
        unit="mm" if spacing else "px",
        reference_ejection_fraction=record.reference_ejection_fraction,
    )
    if len(classes) == 1:
        row.s_measure = structure.s_measure(prediction > 0, truth > 0)
        row.mae = structure.mean_absolute_error(prediction > 0, truth > 0)
    has_ventricle = "left_ventricle" in chambers_of(classes, roles or {})
    for phase, phase_frame in (("ed", record.ed_frame), ("es", record.es_frame)):
        if phase_frame == frame and has_ventricle:
            row.heart = LabelledHeart(
                phase,
                prediction=measure_heart(prediction, classes, spacing, roles, fan=fan),
                truth=measure_heart(truth, classes, spacing, roles, fan=fan),
            )
    return row


def measure_heart(
    labels: np.ndarray,
    classes: tuple[str, ...],
    spacing_mm: tuple[float, float] | None,
    roles: Mapping[str, str] | None = None,
    *,
    fan: np.ndarray | None = None,
) -> dict[str, ChamberMeasures]:
    """Area, length and volume of the left chambers on a frame.

    Args:
        labels: (H, W) uint8, 0 background, k + 1 for class k.
        classes: names of the classes.
        spacing_mm: millimetres between rows and between columns; None: lengths are in pixels.
        roles: role -> class, for chambers whose class has another name than their role.
        fan: (H, W) bool mask of the ultrasound fan; a chamber at its edge is reported as a problem.

    Returns:
        Role of the chamber -> its measures; NaN for a chamber that the frame does not show.
    """
    chambers = {}
    masks = {
        role: labels == classes.index(name) + 1
        for role, name in chambers_of(classes, roles or {}).items()
    }
    for name, mask in masks.items():
        behind = masks.get(BEHIND[name])
        chamber = measure_chamber(mask, spacing_mm or (1.0, 1.0), neighbour=behind, fan=fan)
        if chamber is None:
            chambers[name] = ChamberMeasures(problems=["not there"])
        else:
            chambers[name] = ChamberMeasures(
                chamber.area_mm2, chamber.axis.length, chamber.volume_ml, list(chamber.problems)
            )
    return chambers
