"""Reads still images as the frames of one clip: a folder, or a TIFF file with many pages.

They are rotated upright by their EXIF orientation (orientation.py).
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lgrseg.data.io.animations import ANIMATIONS, first_shown, num_shown, read_animation
from lgrseg.data.io.grey_values import Frames, as_bytes, grey_scale
from lgrseg.data.io.lazy_frames import LazyFrames, gather
from lgrseg.data.io.orientation import orientation, upright
from lgrseg.data.io.video import UnreadableFile, Video

TIFFS = (".tif", ".tiff")
MANY = (*TIFFS, *ANIMATIONS)
"""Endings of files that may have several pictures."""
CUT_SHORT = "is cut short: its end is missing"
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", *MANY)


def read_folder(path: Path) -> Video:
    """Read the images of a folder as a clip.

    Raises:
        UnreadableFile: there is no image, a file is damaged, images differ in size or depth, or
            a file with many pictures is beside other images.
    """
    files = image_files(path)
    if not files:
        raise UnreadableFile(f"{path.name} has no image ({', '.join(IMAGES)})")
    if stacks := [file for file in files if num_pages(file) > 1]:
        if len(files) == 1:
            is_tiff = stacks[0].suffix.lower() in TIFFS
            return read_tiff(stacks[0]) if is_tiff else read_animation(stacks[0])
        raise UnreadableFile(
            f"{path.name}/{stacks[0].name} has {num_pages(stacks[0])} pages beside "
            f"{len(files) - 1} other images: give files with many pages one by one"
        )
    notes = []
    if turned := [file.name for file in files if orientation(file) != 1]:
        notes.append(f"{len(turned)} of {len(files)} images are turned upright as EXIF says")
    return Video(_frames_of(files, path.name), notes=notes)


def read_tiff(path: Path) -> Video:
    """Read the pages of a TIFF file as a clip."""
    pages = num_pages(path)
    if not pages:
        raise UnreadableFile(f"{path.name} is not an image")
    start = _same_kind(lambda: (_page(path, number) for number in range(pages)), path.name)
    return Video(gather(as_bytes(start, pages), pages))


def image_files(folder: Path) -> list[Path]:
    """Images of a folder in natural order, without hidden ones (macOS adds ._a.png to a.png)."""
    files = [p for p in folder.iterdir() if p.suffix.lower() in IMAGES and p.name[0] != "."]
    return sorted(files, key=natural_order)


def num_pages(file: Path) -> int:
    """Number of pictures in an image file; more than one only in TIFF, GIF and WebP."""
    import cv2

    ending = file.suffix.lower()
    if ending in ANIMATIONS:
        return num_shown(file)
    return cv2.imcount(str(file)) if ending in TIFFS else 1


def read_still(file: Path) -> np.ndarray:
    """Read an image upright, (H, W) or (H, W, 3) RGB, with its stored bit depth.

    Raises:
        UnreadableFile: the file is not an image, or is damaged.
    """
    import cv2

    number = orientation(file)
    if is_cut_short(file):
        raise UnreadableFile(f"{file.parent.name}/{file.name} {CUT_SHORT}")
    if file.suffix.lower() in ANIMATIONS:
        return upright(first_shown(file), number)
    if number != 1 and file.suffix.lower() in TIFFS:
        return _turned_tiff(file)
    flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imread(str(file), flags)
    if image is None:
        raise UnreadableFile(f"{file.parent.name}/{file.name} {why_no_image(file)}")
    return upright(image if image.ndim == 2 else image[..., ::-1], number)


def why_no_image(file: Path) -> str:
    """Why a file that OpenCV cannot read is none, as the end of a sentence."""
    if not file.exists():
        return "is a link to a missing file" if file.is_symlink() else "is missing"
    return "is not an image" if file.stat().st_size else "is empty (0 bytes)"


def is_cut_short(file: Path) -> bool:
    """True if the last scan of a JPEG has no end; OpenCV would fill the missing part with grey."""
    if file.suffix.lower() not in (".jpg", ".jpeg") or not file.is_file():
        return False
    content = file.read_bytes()
    return content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda")


def _turned_tiff(file: Path) -> np.ndarray:
    """Read with Pillow, because OpenCV fails at quarter turns."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            return np.asarray(image if image.mode in ("L", "I;16", "RGB") else image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableFile(f"{file.parent.name}/{file.name} is damaged: {error}") from error


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
    """The same frames; raises an error if two differ in size or depth."""

    def checked() -> Iterator[np.ndarray]:
        first = None
        for number, frame in enumerate(start()):
            size_and_type = (frame.shape[:2], frame.dtype)
            first = first or size_and_type
            if size_and_type != first:
                raise UnreadableFile(
                    f"the images of {name} differ in size or depth: the first is {first[0]} "
                    f"{first[1]}, image {number + 1} is {size_and_type[0]} {size_and_type[1]}"
                )
            yield frame

    return checked


def natural_order(path: Path) -> list:
    """Key that sorts frame2 before frame10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]
