"""What is measured on the masks of one clip, in the form that is saved and shown."""

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
    """Volume at end-diastole by the method of disks in this one view; None without spacing."""
    esv_ml: float | None
    ejection_fraction: float | None
    """Per cent; None where it would not lie between 0 and 100."""
    problems: tuple[str, ...] = ()
    """Reasons why the figures of this beat may be wrong."""


@dataclass
class Measurements:
    """Areas over time of every class, and the beats of the left ventricle."""

    area_unit: str
    """Either "mm2", or "pixels" where the spacing is not known."""
    areas: dict[str, list[float]]
    """Class -> its area in every frame."""
    steadiness: dict[str, dict]
    """Class -> how steady its masks are from frame to frame (see `steadiness`)."""
    beats: list[BeatMeasures] = field(default_factory=list)
    ejection_fraction: float | None = None
    """Per cent, the mean over the beats without problems; None where there are none."""
    notes: list[str] = field(default_factory=list)
    """What could not be measured, and why."""

    def as_dict(self) -> dict:
        """Plain numbers, lists and dicts."""
        return plain(asdict(self))


def measure(
    masks: np.ndarray,
    metadata: Metadata,
    *,
    spacing_mm: tuple[float, float] | None,
    fan: np.ndarray | None = None,
) -> Measurements:
    """Measure the masks of one clip.

    Args:
        masks: (T, H, W) uint8, 0 background, k + 1 for class k.
        metadata: classes of the masks.
        spacing_mm: millimetres between rows and between columns; None where they are not known.
        fan: (H, W) bool, the part of the picture that shows ultrasound, where it was found.
    """
    found = measure_video(list(masks), metadata.classes, spacing_mm, fan=fan, roles=metadata.roles)
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
    measured.notes = _notes(measured, metadata, has_ventricle=LEFT_VENTRICLE in chambers)
    return measured


def _notes(measured: Measurements, metadata: Metadata, *, has_ventricle: bool) -> list[str]:
    notes = []
    if measured.area_unit == "pixels":
        notes.append(
            "the spacing is not known: areas are in pixels, and there are no volumes"
            + (" (the ejection fraction takes pixels to be square)" if measured.beats else "")
        )
    if not has_ventricle:
        classes = ", ".join(metadata.classes)
        notes.append(
            f"none of the classes ({classes}) is known to be the {LEFT_VENTRICLE}, so there are no "
            f"beats and no ejection fraction; if one of them is, say roles.{LEFT_VENTRICLE}=NAME"
        )
    elif not measured.beats:
        notes.append("no ejection fraction: fewer than two frames show the left ventricle")
    elif measured.ejection_fraction is None:
        reasons = dict.fromkeys(problem for beat in measured.beats for problem in beat.problems)
        notes.append(f"no ejection fraction: every beat is doubtful ({'; '.join(reasons)})")
    return notes
