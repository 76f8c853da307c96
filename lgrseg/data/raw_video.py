"""A video of a raw download: found and named by a dataset's module, then read."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


class UnusableVideo(ValueError):
    """A raw file that cannot be used; the message says why, to a reader who has the file."""


@dataclass
class LoadedVideo:
    """One raw video, read."""

    frames: np.ndarray
    """(T, H, W) or (T, H, W, 3) uint8, whole."""
    masks: dict[int, np.ndarray] | None
    """Frame index -> (H, W) uint8 in the dataset's class order; None without a mask file."""
    spacing_mm: tuple[float, float] | None = None
    fps: float | None = None
    notes: list[str] = field(default_factory=list)
    """What a user should know of this video: filled outlines, dropped labels."""
    extra: dict = field(default_factory=dict)
    """Further facts for meta.json."""


@dataclass
class RawVideo:
    """One raw video, found and named, not yet read. It travels to worker processes."""

    video_id: str
    sources: list[Path]
    patient: str
    """A key that is unique over the whole dataset: splits never part a patient."""
    load: Callable[["RawVideo"], LoadedVideo]
    site: str | None = None
    view: str | None = None
    crop_to_fan: bool = False
    facts: dict = field(default_factory=dict)
    """What `load` needs to know besides, and what goes into meta.json."""
    labels: Any = None
    """What a file of many videos' labels says of this one, such as outlines: for `load` alone."""
    num_pictures: int = 1
    """The first so many `sources` hold the pictures; the others say what is in them."""
    split: str | None = None
    """The part that the dataset's own lists put it in: facts["split"] unless given."""

    def __post_init__(self) -> None:
        self.split = self.split or self.facts.get("split")

    @property
    def source_names(self) -> str:
        """Names of its files, for messages."""
        names = [path.name for path in self.sources]
        return ", ".join(names[:4] + [f"... ({len(names)} files)"] * (len(names) > 4))

    def facts_hash(self) -> str:
        """SHA-256 of what was listed of it, so that a correction in a shared file is noticed."""
        text = json.dumps([self.facts, self.labels], default=_plain)
        return hashlib.sha256(text.encode()).hexdigest()


def refused(video: RawVideo) -> LoadedVideo:
    """As `load`: refuse a video whose labels cannot be used, as `labels` says."""
    raise UnusableVideo(video.labels)


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
