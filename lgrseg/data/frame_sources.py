"""Single frames of a source: of all videos of a dataset, or of a plain folder of images."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lgrseg.data.catalog import DatasetCatalog
from lgrseg.data.images.replacing import Replacing
from lgrseg.data.io import image_files, to_uint8
from lgrseg.data.io.stills import read_still
from lgrseg.data.record import VideoRecord
from lgrseg.data.store import open_frames


@dataclass(frozen=True)
class Frame:
    """One frame of a source."""

    name: str
    """Identifier of the video, or the path of the image."""
    index: int
    """Index of the frame in its video."""
    read: Callable[[], np.ndarray]
    """Function that reads the frame, (H, W) or (H, W, 3) uint8."""


def frames_of(source: str) -> list[Frame]:
    """List the frames of a dataset, or the images of a folder.

    Args:
        source: name of a dataset in the catalog, or path of a folder.

    Raises:
        ValueError: the folder has no image, or there is neither a dataset nor a folder of the name.
    """
    if source not in DatasetCatalog and Path(source).is_dir():
        files = image_files(Path(source))
        if not files:
            raise ValueError(f"the folder {source} has no image (PNG, JPEG, TIFF, BMP, GIF, WebP)")
        return [Frame(str(file), 0, partial(_read_image, file)) for file in files]
    return [
        Frame(record.video_id, index, partial(_read_frame, record, index))
        for record in DatasetCatalog.get(source)
        for index in range(record.num_frames)
    ]


def replacing_of(source: str, frames: list[Frame]) -> Replacing:
    """What reads the frames of a source, and replaces images of a folder that cannot be read.

    A damaged video of a prepared dataset stops the run, as in training with labels.
    """
    return Replacing(source, number=len(frames), name=partial(_name_of, frames))


def _name_of(frames: list[Frame], number: int) -> str:
    return frames[number].name


def _read_image(file: Path) -> np.ndarray:
    return to_uint8(read_still(file))


def _read_frame(record: VideoRecord, index: int) -> np.ndarray:
    return open_frames(record)[index]
