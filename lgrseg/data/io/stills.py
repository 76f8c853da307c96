"""Folders of still images that are the frames of one clip."""

import re
from pathlib import Path

import numpy as np

from lgrseg.data.io import lazy_frames
from lgrseg.data.io.grey_values import one_channel_if_grey
from lgrseg.data.io.lazy_frames import lazy_images
from lgrseg.data.io.video import UnreadableFile, Video

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def read_folder(path: Path) -> Video:
    """The images of a folder as a clip."""
    files = image_files(path)
    if not files:
        raise UnreadableFile(f"{path.name} holds no image ({', '.join(IMAGES)})")
    first = _read_image(files[0])
    if len(files) * first.size > lazy_frames.WHOLE_BYTES:
        return Video(lazy_images(files, _read_image))
    frames = [_read_image(file) for file in files]
    if len({frame.shape for frame in frames}) > 1:
        raise UnreadableFile(f"the images of {path.name} differ in size")
    return Video(one_channel_if_grey(np.stack(frames)))


def _read_image(file: Path) -> np.ndarray:
    import cv2

    image = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if image is None:
        raise UnreadableFile(f"{file.parent.name}/{file.name} is no image")
    return image[..., ::-1]


def image_files(folder: Path) -> list[Path]:
    """The images of a folder in natural order, but hidden ones (macOS leaves ._a.png by a.png)."""
    found = [p for p in folder.iterdir() if p.suffix.lower() in IMAGES and p.name[0] != "."]
    return sorted(found, key=_natural)


def _natural(path: Path) -> list:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]
