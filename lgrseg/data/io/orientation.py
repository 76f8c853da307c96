"""Applies the EXIF orientation to an image and to its mask.

A picture is rotated upright, as every viewer shows it. A mask or outline with the size of the
stored picture was drawn on the stored picture, so it is rotated too. If it only has the size of the
upright picture, it is not rotated.
"""

from pathlib import Path

import numpy as np

_EXIF_ORIENTATION = 0x0112
_METADATA_OF_PNG = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")
"""Names of the parts of a PNG file in which Pillow looks for an orientation."""


def orientation(file: Path) -> int:
    """EXIF orientation of a stored picture, 1 to 8; 1 is upright."""
    from PIL import Image, UnidentifiedImageError

    if file.suffix.lower() == ".png" and not _may_be_turned(file):
        return 1
    try:
        with Image.open(file) as image:
            number = int(image.getexif().get(_EXIF_ORIENTATION, 1))
            return number if 1 <= number <= 8 else 1
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return 1


def _may_be_turned(file: Path) -> bool:
    """Whether a PNG file has metadata; Pillow has to decode all pixels to find that it has none."""
    try:
        content = file.read_bytes()
    except OSError:
        return False
    return any(word in content for word in _METADATA_OF_PNG)


def upright(picture: np.ndarray, number: int) -> np.ndarray:
    """Rotate and mirror a stored picture or mask (H, W, ...) by its EXIF orientation `number`."""
    if number == 1:
        return picture
    if number in (5, 6, 7, 8):
        picture = picture.swapaxes(0, 1)
    rows = -1 if number in (3, 4, 7, 8) else 1
    columns = -1 if number in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(picture[::rows, ::columns])


def stored_size(shown: tuple[int, int], number: int) -> tuple[int, int]:
    """Convert (H, W) of the upright picture to that of the stored one, or vice versa."""
    return shown[::-1] if number in (5, 6, 7, 8) else shown


def is_turned(number: int, size: tuple[int, int], shown: tuple[int, int]) -> bool:
    """True if a mask or outline has to be rotated with its picture.

    Args:
        number: EXIF orientation of the picture, 1 to 8.
        size: (H, W) of the mask, or of the picture on which outlines were drawn.
        shown: (H, W) of the upright picture.
    """
    return number != 1 and size == stored_size(shown, number)
