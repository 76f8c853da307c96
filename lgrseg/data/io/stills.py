"""Still images that are the frames of one clip: a folder of files, or a TIFF file of many pages.

They are turned upright as EXIF says (orientation.py).
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lgrseg.data.io.grey_values import Frames, as_bytes, grey_scale
from lgrseg.data.io.lazy_frames import LazyFrames, gather
from lgrseg.data.io.orientation import orientation, upright
from lgrseg.data.io.video import UnreadableFile, Video

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
TIFFS = (".tif", ".tiff")


def read_folder(path: Path) -> Video:
    """The images of a folder as a clip.

    Raises:
        UnreadableFile: no image, one that is none, images that differ in size or depth, or TIFF
            files of many pages beside others.
    """
    files = image_files(path)
    if not files:
        raise UnreadableFile(f"{path.name} holds no image ({', '.join(IMAGES)})")
    if stacks := [file for file in files if num_pages(file) > 1]:
        if len(files) == 1:
            return read_tiff(stacks[0])
        raise UnreadableFile(
            f"{path.name}/{stacks[0].name} holds {num_pages(stacks[0])} pages beside "
            f"{len(files) - 1} other images: give the files of many pages one by one"
        )
    notes = []
    if turned := [file.name for file in files if orientation(file) != 1]:
        notes.append(f"{len(turned)} of {len(files)} images are turned upright as EXIF says")
    return Video(_frames_of(files, path.name), notes=notes)


def read_tiff(path: Path) -> Video:
    """The pages of a TIFF file as a clip."""
    pages = num_pages(path)
    if not pages:
        raise UnreadableFile(f"{path.name} is no image")
    start = _same_kind(lambda: (_page(path, number) for number in range(pages)), path.name)
    return Video(gather(as_bytes(start, pages), pages))


def image_files(folder: Path) -> list[Path]:
    """The images of a folder in natural order, but hidden ones (macOS leaves ._a.png by a.png)."""
    found = [p for p in folder.iterdir() if p.suffix.lower() in IMAGES and p.name[0] != "."]
    return sorted(found, key=_natural)


def num_pages(file: Path) -> int:
    """How many pictures an image file holds; more than one only in TIFF."""
    import cv2

    return cv2.imcount(str(file)) if file.suffix.lower() in TIFFS else 1


def read_still(file: Path) -> np.ndarray:
    """An image upright, (H, W) or (H, W, 3) RGB, in the depth that it is stored in.

    Raises:
        UnreadableFile: it is no image.
    """
    import cv2

    number = orientation(file)
    if number != 1 and file.suffix.lower() in TIFFS:
        return _turned_tiff(file)
    flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imread(str(file), flags)
    if image is None:
        raise UnreadableFile(f"{file.parent.name}/{file.name} is no image")
    return upright(image if image.ndim == 2 else image[..., ::-1], number)


def _turned_tiff(file: Path) -> np.ndarray:
    """By Pillow, which turns it: OpenCV fails at quarter turns."""
    from PIL import Image

    with Image.open(file) as image:
        return np.asarray(image if image.mode in ("L", "I;16", "RGB") else image.convert("RGB"))


def _page(file: Path, number: int) -> np.ndarray:
    import cv2

    flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR
    readable, pages = cv2.imreadmulti(str(file), number, 1, flags=flags)
    if not readable or len(pages) != 1:
        raise UnreadableFile(f"page {number} of {file.name} cannot be read")
    return pages[0] if pages[0].ndim == 2 else pages[0][..., ::-1]


def _frames_of(files: list[Path], name: str) -> np.ndarray | LazyFrames:
    start = _same_kind(lambda: map(read_still, files), name)
    scale = grey_scale(start(), len(files))
    return gather(
        lambda: map(scale, start()), len(files), read=lambda index: scale(read_still(files[index]))
    )


def _same_kind(start: Frames, name: str) -> Frames:
    """The same frames; an error where two differ in size or depth."""

    def checked() -> Iterator[np.ndarray]:
        first = None
        for number, frame in enumerate(start()):
            kind = (frame.shape[:2], frame.dtype)
            first = first or kind
            if kind != first:
                raise UnreadableFile(
                    f"the images of {name} differ in size or depth: the first is {first[0]} "
                    f"{first[1]}, image {number + 1} is {kind[0]} {kind[1]}"
                )
            yield frame

    return checked


def _natural(path: Path) -> list:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]
