"""Records of raw videos, which the module of a dataset lists and reads."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


class UnusableVideo(ValueError):
    """A raw file cannot be used; the message has the reason."""


@dataclass
class LoadedVideo:
    """Content of one raw video."""

    frames: np.ndarray
    """(T, H, W) or (T, H, W, 3) uint8 frames, not cropped."""
    masks: dict[int, np.ndarray] | None
    """Frame index -> (H, W) uint8 in the dataset's class order; None without a mask file."""
    spacing_mm: tuple[float, float] | None = None
    fps: float | None = None
    notes: list[str] = field(default_factory=list)
    """Notes for the user: filled outlines, ignored labels."""
    extra: dict = field(default_factory=dict)
    """Additional entries of meta.json."""


@dataclass
class RawVideo:
    """One listed raw video that is not read yet; it is sent to worker processes."""

    video_id: str
    sources: list[Path]
    patient: str
    """Patient identifier, unique in the whole dataset; splits never divide a patient."""
    load: Callable[["RawVideo"], LoadedVideo]
    site: str | None = None
    view: str | None = None
    crop_to_fan: bool = False
    facts: dict = field(default_factory=dict)
    """Additional information for `load` and for meta.json."""
    labels: Any = None
    """Labels of this video from a shared label file, such as outlines; only for `load`."""
    num_pictures: int = 1
    """Number of `sources` with pictures, which come first; the others are annotations."""
    split: str | None = None
    """Part in the dataset's own split; by default facts["split"]."""

    def __post_init__(self) -> None:
        self.split = self.split or self.facts.get("split")

    @property
    def source_names(self) -> str:
        """Names of the source files, for messages."""
        names = [path.name for path in self.sources]
        return ", ".join(names[:4] + [f"... ({len(names)} files)"] * (len(names) > 4))

    def facts_hash(self) -> str:
        """SHA-256 of the listed information, to detect changes in shared files."""
        text = json.dumps([self.facts, self.labels], default=_plain)
        return hashlib.sha256(text.encode()).hexdigest()


def refused(video: RawVideo) -> LoadedVideo:
    """Can be used as `load`: raise UnusableVideo with the reason in `labels`."""
    raise UnusableVideo(video.labels)


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_pictures(video: RawVideo) -> tuple[str, ...]:
    """SHA-256 of the files with a video's pictures."""
    return tuple(file_hash(path) for path in video.sources[: video.num_pictures])
