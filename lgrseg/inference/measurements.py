"""What is measured on the masks of one clip, in the form that is saved and shown."""

from dataclasses import asdict, dataclass, field

import numpy as np

from lgrseg.data.catalog import Metadata
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


def chamber_names(metadata: Metadata) -> tuple[str, ...]:
    """Classes by the names that measurements know: a class that has a role is called by it.

    Where `metadata.roles` (role -> class) says that lv_cavity is the left ventricle, that class is
    `left_ventricle` here. The areas of a result keep the names of the classes.
    """
    roles = getattr(metadata, "roles", {})
    role_of = {cls: role for role, cls in roles.items()}
    names = [role_of.get(cls, f"other {cls}" if cls in roles else cls) for cls in metadata.classes]
    return tuple(names)


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
    names = chamber_names(metadata)
    found = measure_video(masks, names, spacing_mm, fan=fan)
    of_class = {name: cls for name, cls in zip(names, metadata.classes, strict=True)}
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
        areas={of_class[name]: areas for name, areas in found["areas"].items()},
        steadiness={of_class[name]: plain(value) for name, value in found["steadiness"].items()},
        beats=beats,
        ejection_fraction=plain(found.get("ejection_fraction")),
    )
    measured.notes = _notes(measured, metadata, has_ventricle=LEFT_VENTRICLE in names)
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
            f"no class is called {LEFT_VENTRICLE} (there are {classes}), so there are no beats "
            f"and no ejection fraction; if one of them is, say roles.{LEFT_VENTRICLE}=NAME"
        )
    elif not measured.beats:
        notes.append("no ejection fraction: fewer than two frames show the left ventricle")
    elif measured.ejection_fraction is None:
        reasons = dict.fromkeys(problem for beat in measured.beats for problem in beat.problems)
        notes.append(f"no ejection fraction: every beat is doubtful ({'; '.join(reasons)})")
    return notes
