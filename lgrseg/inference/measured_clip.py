"""The masks of one clip and their measurements."""

import functools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lgrseg.data.catalog import Metadata
from lgrseg.data.io import Video
from lgrseg.data.prepare.clip_files import name_of_clip
from lgrseg.inference.measurements import BeatMeasures, Measurements, measure
from lgrseg.inference.preview import draw_preview


@dataclass
class MeasuredClip:
    """One segmented clip. Measurements are computed at their first use."""

    name: str
    """Name of the clip's file without the suffix; the names of the results begin with it."""
    video: Video = field(repr=False)
    metadata: Metadata
    model: str
    """Names of the runs that predicted the masks."""
    masks: np.ndarray = field(repr=False)
    """(T, H, W) uint8 at the size of the clip: 0 background, k + 1 for class k. Large ones are a
    memory map of a temporary file."""
    crop_box: tuple[int, int, int, int]
    """(top, left, bottom, right) of the part of the frame that the model saw."""
    path: Path | None = None
    """The file of the clip; None for an array."""
    fan: np.ndarray | None = field(default=None, repr=False)
    """(H, W) bool mask of the ultrasound fan; None if it was not found, or not searched."""
    made_by: str = ""
    """Hash of the weights, settings and clip of the masks (`mark_of`)."""
    clip_notes: list[str] = field(default_factory=list)
    """What a user should know about the clip and its files."""
    doubts: list[str] = field(default_factory=list)
    """Reasons why the masks may be wrong."""

    @classmethod
    def of_clip(cls, video: Video, path: Path | None, *, metadata: Metadata, model: str):
        """Make a result without masks, with the notes and doubts of its clip."""
        return cls(
            name=name_of_clip(path) if path else "clip",
            video=video,
            metadata=metadata,
            model=model,
            masks=np.zeros((0, *video.frames.shape[1:3]), np.uint8),
            crop_box=(0, 0, *video.frames.shape[1:3]),
            path=path,
            clip_notes=[note for note in video.notes if note not in video.doubts],
            doubts=list(dict.fromkeys(video.doubts)),
        )

    @functools.cached_property
    def measurements(self) -> Measurements:
        """Areas, beats, volumes and ejection fraction."""
        video = self.video
        return measure(
            self.masks, self.metadata, spacing_mm=video.spacing_mm, fps=video.fps, fan=self.fan
        )

    @property
    def notes(self) -> list[str]:
        """What a user should know about the clip, its files and its measurements."""
        return list(dict.fromkeys([*self.clip_notes, *self.measurements.notes]))

    @property
    def areas(self) -> dict[str, np.ndarray]:
        """Class -> its areas (T,) in every frame, in `area_unit`."""
        return {name: np.array(areas) for name, areas in self.measurements.areas.items()}

    @property
    def area_unit(self) -> str:
        """Either "mm2", or "pixels" if the spacing is not known."""
        return self.measurements.area_unit

    @property
    def beats(self) -> list[BeatMeasures]:
        """Heart beats of the left ventricle with their frames, volumes and ejection fraction."""
        return self.measurements.beats

    @property
    def ejection_fraction(self) -> float | None:
        """In per cent: mean over the beats without problems; None without such beats (`notes`)."""
        return self.measurements.ejection_fraction

    def preview(self) -> np.ndarray:
        """Draw a picture (H', W', 3) uint8 of one beat at end-diastole and end-systole."""
        return draw_preview(
            self.video.frames, self.masks, metadata=self.metadata, measurements=self.measurements
        )
