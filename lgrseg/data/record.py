"""The record of a prepared video: what a dataset lists, and mappers and evaluators read."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class VideoRecord:
    """Facts about one prepared video, without its frames and masks.

    `open_frames` and `read_masks` (lgrseg/data/store.py) read the frames and masks from `folder`. A
    still image is a video of one frame. Frame indices count from 0.
    """

    video_id: str
    """Name of the video, unique in its dataset, such as "Site_G_20/patient7-4"."""
    folder: Path
    """Folder of frames.npy, masks.npz and meta.json."""
    patient: str
    """Identifier of the patient, unique in the dataset; splits never divide a patient."""
    num_frames: int
    """Number of frames T of the video."""
    original_size: tuple[int, int]
    """(height, width) of the original frames in pixels."""
    crop_box: tuple[int, int, int, int]
    """(top, left, bottom, right) of the stored frames within the original ones, in pixels; bottom
    and right are exclusive."""
    annotated_frames: tuple[int, ...] = ()
    """Indices of the frames with a mask, in order; empty without masks."""
    spacing_mm: tuple[float, float] | None = None
    """(row, column) distance of the original pixels in mm; None if the source does not have it."""
    fps: float | None = None
    """Frames per second; None if the source does not have it."""
    site: str | None = None
    """Hospital or scanner; None if the source does not name it."""
    view: str | None = None
    """View of the heart as the dataset names it, such as "4CH"; None if it is not known."""
    split: str | None = None
    """Part of the dataset, such as "train"; None if the split is not stored with the video."""
    label: int | None = None
    """Class of the whole video, an index into the dataset's classes; None without a label."""
    ed_frame: int | None = None
    """Index of the frame at end-diastole; None if it is not known."""
    es_frame: int | None = None
    """Index of the frame at end-systole; None if it is not known."""
    reference_ejection_fraction: float | None = None
    """Ejection fraction of the left ventricle in per cent, as published with the dataset."""
    image_quality: str | None = None
    """Image quality as experts rated it, such as "Good"; None if it was not rated."""
    facts: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)
    """All other entries of meta.json: those of the preparation, and those that only this dataset
    has (`RawVideo.facts`, `LoadedVideo.extra`)."""

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any], folder: Path) -> "VideoRecord":
        """Make the record of a prepared video from the content of its meta.json.

        Args:
            meta: content of meta.json, see lgrseg/data/store.py.
            folder: folder of the prepared video.

        Raises:
            KeyError: a required entry is missing.
            TypeError: a size, a box or a list has another type.
            ValueError: a size or a box has the wrong number of entries.
        """
        height, width = meta["original_size"]
        top, left, bottom, right = meta["crop_box"]
        spacing = meta.get("spacing_mm")
        info = meta.get("info")  # the text file beside each CAMUS sequence
        return cls(
            video_id=meta["video_id"],
            folder=folder,
            patient=meta["patient"],
            num_frames=meta["num_frames"],
            original_size=(height, width),
            crop_box=(top, left, bottom, right),
            annotated_frames=tuple(meta["annotated_frames"]),
            spacing_mm=(spacing[0], spacing[1]) if spacing else None,
            fps=meta.get("fps"),
            site=meta.get("site"),
            view=meta.get("view"),
            split=meta.get("split"),
            label=meta.get("label"),
            ed_frame=meta.get("ed_frame"),
            es_frame=meta.get("es_frame"),
            reference_ejection_fraction=meta.get("reference_ejection_fraction"),
            image_quality=info.get("ImageQuality") if isinstance(info, dict) else None,
            facts={key: value for key, value in meta.items() if key not in _NAMES},
        )


_NAMES = {entry.name for entry in fields(VideoRecord)}
