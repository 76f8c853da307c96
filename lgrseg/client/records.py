"""What the service answers, as plain records; the service and the client share them."""

import dataclasses
import typing
from dataclasses import dataclass, field
from typing import Any, TypeVar

Record = TypeVar("Record")
ENDED = ("done", "failed", "cancelled", "expired")
"""States of a job that do not change any more, except that results expire."""


@dataclass
class Problem:
    """An error (RFC 9457)."""

    code: str
    """Short name for programs, such as "unreadable"; docs/service.md lists all."""
    title: str = ""
    detail: str = ""
    """One sentence for the user."""
    status: int = 0
    """HTTP status; 0 for the reason why a job failed."""
    type: str = "about:blank"
    retry_after: float | None = None
    """Seconds after which the call may succeed; None if it will not."""


@dataclass
class ResultFile:
    """One file of a finished job."""

    name: str
    media_type: str
    bytes: int
    sha256: str
    href: str = ""


@dataclass
class Job:
    """One clip, from its upload to its results."""

    id: str
    state: str
    """queued, running, done, failed, cancelled or expired."""
    kind: str
    """"clip" or "image"."""
    model: str
    """Name of the model, as `Model.name`."""
    model_sha256: str | None = None
    """SHA-256 of the weights that made the results; None before there are any."""
    boxes: int = 0
    """Number of boxes, drawn by hand, from which it is segmented."""
    name: str = ""
    """Name for display; the name of the uploaded file without its folder."""
    stage: str = ""
    """waiting, segmenting, measuring, writing, paused for a shorter job, no_model while it waits
    for a model that the service was started without; empty at the end."""
    progress: float = 0.0
    """0 to 1."""
    position: int | None = None
    """Number of jobs that come before it; None if it does not wait."""
    eta_seconds: float | None = None
    """Estimated time to the end; None if it is not known."""
    attempt: int = 0
    parent: str | None = None
    """The job of the upload, if its clip is segmented again with boxes or another model."""
    frames: int = 0
    size: list[int] = field(default_factory=list)
    """Height and width in pixels."""
    fps: float | None = None
    spacing_mm: list[float] | None = None
    """Millimetres between rows and between columns; None if they are not known."""
    format: str = ""
    """dicom, nifti, metaimage, movie, gif, webp, tiff, zip or still."""
    created: float = 0.0
    """Seconds since 1970, as all times."""
    started: float | None = None
    finished: float | None = None
    expires: float | None = None
    ejection_fraction: float | None = None
    """In per cent, with the corrected beats if there are any."""
    corrected: bool = False
    """True if beats were corrected by hand."""
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    error: Problem | None = None
    """The reason of a failure."""
    results: list[ResultFile] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        """True if it will not change any more."""
        return self.state in ENDED


@dataclass
class JobList:
    """Jobs, the newest first."""

    jobs: list[Job]
    next: str | None = None
    """Value of `after` for the next page; None at the end."""


@dataclass
class Beat:
    """One heart beat of the left ventricle."""

    ed_frame: int
    es_frame: int
    edv_ml: float | None = None
    esv_ml: float | None = None
    ejection_fraction: float | None = None
    """In per cent; None if it would not be between 0 and 100."""
    problems: list[str] = field(default_factory=list)


@dataclass
class Beats:
    """Beats as measured, and as corrected by hand."""

    original: list[Beat]
    original_ejection_fraction: float | None
    corrected: list[Beat] | None = None
    """None if nothing was corrected."""
    ejection_fraction: float | None = None
    """Mean over the corrected beats; over the original ones if nothing was corrected."""


@dataclass
class ImageResult:
    """Masks of one still image."""

    job: Job
    size: list[int]
    """Height and width in pixels."""
    classes: list[str]
    masks: dict[str, dict[str, Any]]
    """Class -> run-length code of COCO: {"size": [H, W], "counts": text}."""
    areas: dict[str, float]
    area_unit: str


@dataclass
class Model:
    """A model that the service offers."""

    name: str
    purpose: str
    """"clips", or "prompts" for the model of box prompts."""
    sha256: str
    classes: list[str]
    colors: list[list[int]]
    version: str
    notes: list[str] = field(default_factory=list)


@dataclass
class ModelList:
    """Models and limits of the service."""

    models: list[Model]
    limits: dict[str, int | float]


def record_of(kind: type[Record], values: dict[str, Any]) -> Record:
    """Make a record of the JSON of the service; unknown entries are ignored.

    Raises:
        TypeError: an entry is missing.
    """
    hints = typing.get_type_hints(kind)
    fields = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{k: _value(hints[k], v) for k, v in values.items() if k in fields})


def _value(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    for inner in (hint, *typing.get_args(hint)):
        if isinstance(inner, type) and dataclasses.is_dataclass(inner):
            if isinstance(value, list):
                return [record_of(inner, entry) for entry in value]
            return record_of(inner, value)
        if typing.get_origin(inner) is list and inner is not hint:
            return _value(inner, value)
    return value
