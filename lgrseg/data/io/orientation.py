"""EXIF's note of how a picture is to be turned, followed for an image and for its mask alike.

A picture is turned upright, as every viewer shows it. A mask or outline that has the size of the
picture as stored was drawn on that, and is turned with it; one that only has the size of the
upright picture is right already.
"""

from pathlib import Path

import numpy as np

_EXIF_ORIENTATION = 0x0112


def orientation(file: Path) -> int:
    """EXIF's number, 1 to 8, of how the picture is stored: 1 is upright."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            number = int(image.getexif().get(_EXIF_ORIENTATION, 1))
            return number if 1 <= number <= 8 else 1
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return 1


def upright(picture: np.ndarray, number: int) -> np.ndarray:
    """A picture or mask (H, W, ...) as stored, turned as EXIF's `number` asks for."""
    if number == 1:
        return picture
    if number in (5, 6, 7, 8):
        picture = picture.swapaxes(0, 1)
    rows = -1 if number in (3, 4, 7, 8) else 1
    columns = -1 if number in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(picture[::rows, ::columns])


def stored_size(shown: tuple[int, int], number: int) -> tuple[int, int]:
    """(H, W) of the picture as stored, from that of the upright one; and the other way round."""
    return shown[::-1] if number in (5, 6, 7, 8) else shown


def is_turned(number: int, size: tuple[int, int], shown: tuple[int, int]) -> bool:
    """Whether what is drawn on a picture has to be turned with it.

    Args:
        number: EXIF's, of the picture.
        size: (H, W) of the mask, or that its outlines refer to.
        shown: (H, W) of the upright picture.
    """
    return number != 1 and tuple(size) == stored_size(tuple(shown), number)
