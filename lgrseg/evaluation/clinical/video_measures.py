"""Measures of the predicted masks of a whole video: areas over time, beats, volumes, steadiness."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from lgrseg.evaluation.clinical.beats import Beat, find_beats
from lgrseg.evaluation.clinical.chambers import chambers_of
from lgrseg.evaluation.clinical.volumes import ejection_fraction, impossible_change
from lgrseg.evaluation.frame_scores import measure_heart
from lgrseg.evaluation.metrics.steadiness import steadiness


@dataclass(frozen=True)
class MeasuredBeat:
    """One beat of a video, measured on the predicted masks."""

    ed: int
    """Frame of end-diastole."""
    es: int
    """Frame of end-systole."""
    edv: float | None
    """End-diastolic volume in ml; None without spacing."""
    esv: float | None
    """End-systolic volume in ml; None without spacing."""
    ejection_fraction: float
    """In %; NaN if the volumes give no value from 0 to 100."""
    problems: list[str]
    """Reasons to doubt the beat."""


def measure_video(
    masks: Sequence[np.ndarray] | np.ndarray,
    classes: tuple[str, ...],
    spacing_mm: tuple[float, float] | None,
    *,
    fps: float | None = None,
    fan: np.ndarray | None = None,
    ed_frame: int | None = None,
    es_frame: int | None = None,
    roles: Mapping[str, str] | None = None,
) -> dict:
    """Measure one video.

    Args:
        masks: (H, W) uint8 for each of T frames, 0 background, k + 1 for class k; an array, or
            a MaskFile, which has one frame at a time in memory.
        classes: names of the K classes.
        spacing_mm: millimetres per pixel, (row, column).
        fps: frames per second; None if the rate is not known.
        fan: (H, W) bool mask of the ultrasound fan; a ventricle at its edge is reported as a
            problem.
        ed_frame: a frame labelled as end-diastole, if there is one.
        es_frame: frame labelled as end-systole, if there is one.
        roles: role -> class, for chambers whose class has another name than their role.

    Returns:
        "unit" ("mm" or "px"); "areas" of every class over time, in the square of the unit;
        "steadiness" of every class. With a left ventricle, also "ventricle", the name of its class;
        "beats", each a dict with the fields of MeasuredBeat; and "ejection_fraction", the mean over
        the beats without problems (NaN if there is none).
    """
    rows, columns = spacing_mm or (1.0, 1.0)
    areas = np.array([_pixels(labels, len(classes)) for labels in masks]) * rows * columns
    measures: dict[str, object] = {
        "unit": "mm" if spacing_mm else "px",
        "areas": {name: areas[:, k].tolist() for k, name in enumerate(classes)},
        "steadiness": {
            name: steadiness((labels == k + 1 for labels in masks), spacing_mm, fps)
            for k, name in enumerate(classes)
        },
    }
    ventricle = chambers_of(classes, roles or {}).get("left_ventricle")
    if ventricle is not None:
        area = areas[:, classes.index(ventricle)]
        phases = find_beats(np.where(area > 0, area, np.nan), ed_frame=ed_frame, es_frame=es_frame)
        beats = [_measured(masks, classes, spacing_mm, fan, beat, roles or {}) for beat in phases]
        fractions = [beat.ejection_fraction for beat in beats if not beat.problems]
        measures |= {
            "ventricle": ventricle,
            "beats": [asdict(beat) for beat in beats],
            "ejection_fraction": float(np.mean(fractions)) if fractions else float("nan"),
        }
    return measures


def _pixels(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """(K,) number of pixels of every class."""
    return np.bincount(labels.ravel(), minlength=num_classes + 1)[1 : num_classes + 1]


def _measured(
    masks: Sequence[np.ndarray] | np.ndarray,
    classes: tuple[str, ...],
    spacing_mm: tuple[float, float] | None,
    fan: np.ndarray | None,
    beat: Beat,
    roles: Mapping[str, str],
) -> MeasuredBeat:
    problems, volumes = list(beat.problems), []
    for phase, frame in (("ED", beat.ed), ("ES", beat.es)):
        heart = measure_heart(masks[frame], classes, spacing_mm, roles, fan=fan)
        ventricle = heart["left_ventricle"]
        volumes.append(ventricle.volume_ml)
        problems += [f"{phase}: {problem}" for problem in ventricle.problems]
    edv, esv = volumes
    return MeasuredBeat(
        ed=beat.ed,
        es=beat.es,
        edv=edv if spacing_mm else None,
        esv=esv if spacing_mm else None,
        ejection_fraction=100 * ejection_fraction(edv, esv),
        problems=problems + impossible_change(edv, esv),
    )
