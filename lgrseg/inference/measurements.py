"""Measurements on the masks of one clip, as they are saved and shown."""

from dataclasses import asdict, dataclass, field

import numpy as np

from lgrseg.data.catalog import Metadata
from lgrseg.evaluation.clinical.chambers import chambers_of
from lgrseg.evaluation.clinical.video_measures import measure_video
from lgrseg.evaluation.results import plain

LEFT_VENTRICLE = "left_ventricle"


@dataclass(frozen=True)
class BeatMeasures:
    """One heart beat of the left ventricle."""

    ed_frame: int
    """Frame of end-diastole, counted from 0."""
    es_frame: int
    """Frame of end-systole."""
    edv_ml: float | None
    """End-diastolic volume by the method of disks in this view; None without spacing."""
    esv_ml: float | None
    """End-systolic volume, computed in the same way."""
    ejection_fraction: float | None
    """In per cent; None if it would not be between 0 and 100."""
    problems: tuple[str, ...] = ()
    """Reasons why the values of this beat may be wrong."""


@dataclass
class Measurements:
    """Areas over time of every class, and the beats of the left ventricle."""

    area_unit: str
    """Either "mm2", or "pixels" if the spacing is not known."""
    areas: dict[str, list[float]]
    """Class -> its areas in every frame."""
    steadiness: dict[str, dict]
    """Class -> changes of its masks from frame to frame (see `steadiness`)."""
    beats: list[BeatMeasures] = field(default_factory=list)
    ejection_fraction: float | None = None
    """In per cent: mean over the beats without problems; None without such beats."""
    notes: list[str] = field(default_factory=list)
    """What could not be measured, and why."""

    def as_dict(self) -> dict:
        """Convert to plain numbers, lists and dicts."""
        return plain(asdict(self))


def measure(
    masks: np.ndarray,
    metadata: Metadata,
    *,
    spacing_mm: tuple[float, float] | None,
    fps: float | None = None,
    fan: np.ndarray | None = None,
) -> Measurements:
    """Measure the masks of one clip.

    Args:
        masks: (T, H, W) uint8, 0 background, k + 1 for class k.
        metadata: classes of the masks.
        spacing_mm: millimetres between rows and between columns; None if they are not known.
        fps: frames per second; None if the rate is not known.
        fan: (H, W) bool mask of the ultrasound fan; None if it was not found.
    """
    found = measure_video(
        list(masks), metadata.classes, spacing_mm, fps=fps, fan=fan, roles=metadata.roles
    )
    beats = [
        BeatMeasures(
            ed_frame=beat["ed"],
            es_frame=beat["es"],
            edv_ml=plain(beat["edv"]),
            esv_ml=plain(beat["esv"]),
            ejection_fraction=plain(beat["ejection_fraction"]),
            problems=tuple(beat["problems"]),
        )
        for beat in found.get("beats", ())
    ]
    measured = Measurements(
        area_unit="mm2" if spacing_mm else "pixels",
        areas=found["areas"],
        steadiness={name: plain(value) for name, value in found["steadiness"].items()},
        beats=beats,
        ejection_fraction=plain(found.get("ejection_fraction")),
    )
    chambers = chambers_of(metadata.classes, metadata.roles)
    measured.notes = _notes(measured, metadata, ventricle=chambers.get(LEFT_VENTRICLE))
    return measured


def _notes(measured: Measurements, metadata: Metadata, *, ventricle: str | None) -> list[str]:
    notes = []
    if measured.area_unit == "pixels":
        notes.append(
            "the spacing is not known: areas are in pixels, and there are no volumes"
            + (" (the ejection fraction assumes square pixels)" if measured.beats else "")
        )
    if ventricle is None:
        classes = ", ".join(metadata.classes)
        notes.append(
            f"none of the classes ({classes}) is known to be the {LEFT_VENTRICLE}, so there are no "
            f"beats and no ejection fraction; if one of them is, set roles.{LEFT_VENTRICLE}=NAME"
        )
    elif not measured.beats:
        notes.append("no ejection fraction: fewer than two frames show the left ventricle")
    elif measured.ejection_fraction is None:
        reasons = dict.fromkeys(problem for beat in measured.beats for problem in beat.problems)
        notes.append(f"no ejection fraction: every beat is doubtful ({'; '.join(reasons)})")
    elif sum(area > 0 for area in measured.areas[ventricle]) == 2:
        notes.append(
            "only two frames show the left ventricle: the larger one counts as end-diastole, the "
            "smaller one as end-systole"
        )
    return notes
