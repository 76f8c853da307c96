"""Reads masks from image files: turns grey values, palettes and colours into classes.

| file holds | one class | several classes |
|---|---|---|
| one value besides 0: 1, 255, ... | that value is the class | the value is the class |
| grey values around 0 and 255 (JPEG, smooth edges) | those above 127 | refused |
| several whole numbers | refused, unless they number objects | the value is the class |
| a palette | its indices, as whole numbers; black is background | its indices |
| colours on black | as with several whole numbers | refused |

A file whose mask would be empty although its pixels are not is rejected: training on it would teach
that the object is background.
"""

from pathlib import Path

import numpy as np

from lgrseg.data.io.orientation import is_turned, orientation, upright
from lgrseg.data.raw_video import UnusableVideo

MIDDLE = (64, 191)
"""Grey values of a black and white mask that are neither clearly black nor clearly white."""
MAX_MIDDLE = 0.25
"""Largest share of such values among the pixels that are not black."""
SMOOTH = 8
"""With fewer different values, edges are not smooth: every value has a meaning (except JPEG)."""
UNSURE = 255
"""Together with other numbers, this value often means "not annotated"."""


def read_mask_image(
    file: Path,
    num_classes: int,
    *,
    picture: Path,
    shown: tuple[int, int],
    numbers_objects: bool = False,
    notes: list[str],
) -> np.ndarray:
    """Read the mask of an upright picture, (H, W) uint8: 0 background, k + 1 for class k.

    Args:
        file: image file of the mask.
        num_classes: number of classes of the dataset.
        picture: image file that the mask belongs to; its EXIF orientation is applied to both.
        shown: (H, W) of the upright picture.
        numbers_objects: True if different values are different objects of one class.
        notes: list to which notes for the user are added.

    Raises:
        UnusableVideo: not an image, another size, or values whose meaning is ambiguous.
    """
    name = f"{file.parent.name}/{file.name}"
    coding, values = _values(file, name, num_classes)
    values = upright(values, orientation(file))
    number = orientation(picture)
    if orientation(file) == 1 and is_turned(number, values.shape, shown):
        values = upright(values, number)
        notes.append(f"{name} was turned with its image, as EXIF says")
    if values.shape != tuple(shown):
        raise UnusableVideo(f"{name} has size {values.shape}, its image {tuple(shown)}")
    if num_classes > 1:
        if coding == "colours" or values.max() > num_classes:
            content = "colours" if coding == "colours" else f"the values {_listed(values)}"
            raise UnusableVideo(
                f"{name} has {content}; with {num_classes} classes the values must be 0 to "
                f"{num_classes}"
            )
        return values.astype(np.uint8)
    return _one_class(coding, values, name, notes, numbers_objects)


def _one_class(
    coding: str, values: np.ndarray, name: str, notes: list[str], numbers_objects: bool
) -> np.ndarray:
    others = np.unique(values[values > 0])
    if len(others) <= 1:
        if len(others) and others[0] not in (1, 255, 65535):
            notes.append(f"{name}: the value {others[0]}, the only one besides 0, is the structure")
        return (values > 0).astype(np.uint8)
    if coding in ("grey", "lossy") and _is_black_and_white(coding, values, others):
        return (values > 127).astype(np.uint8)
    if numbers_objects and others.max() < UNSURE:
        return (values > 0).astype(np.uint8)
    content = "several colours" if coding == "colours" else f"the values {_listed(values)}"
    raise UnusableVideo(
        f"{name} has {content}; with one class the values must be 0 and 1, or 0 and 255"
    )


def _is_black_and_white(coding: str, values: np.ndarray, others: np.ndarray) -> bool:
    """True if grey values are near 0 and 255, with few between them at edges."""
    if others.min() > MIDDLE[1]:
        return others.max() <= 255
    between = np.count_nonzero((values >= MIDDLE[0]) & (values <= MIDDLE[1]))
    white = np.count_nonzero(values > MIDDLE[1])
    is_smooth = (coding == "lossy" or len(others) >= SMOOTH) and 200 <= others.max() <= 255
    return bool(is_smooth and between <= MAX_MIDDLE * (between + white))


def _values(file: Path, name: str, num_classes: int) -> tuple[str, np.ndarray]:
    """Coding of the file, and its numbers (H, W) with 0 for background.

    The coding is "grey", "lossy" (grey as JPEG, whose values are not exact), "palette" or
    "colours".
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            if (num_pictures := getattr(image, "n_frames", 1)) > 1:
                raise UnusableVideo(f"{name} has {num_pictures} pictures; a mask must have one")
            if image.mode == "P":
                indices, colours = np.asarray(image), image.getpalette()
                return "palette", _indices(indices, colours, name, num_classes)
            if image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16"):
                coding, values = "grey", _whole(np.asarray(image), name)
            else:
                coding, values = _grey_or_colours(np.asarray(image.convert("RGBA")), name)
            return "lossy" if coding == "grey" and image.format == "JPEG" else coding, values
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise UnusableVideo(f"{name} is not an image, or is damaged ({error})") from error


def _whole(values: np.ndarray, name: str) -> np.ndarray:
    if not np.isfinite(values).all() or (values != np.rint(values)).any() or values.min() < 0:
        raise UnusableVideo(
            f"{name} has the values {_listed(values)}; they must be whole numbers from 0"
        )
    return values.astype(np.int64)


def _indices(
    indices: np.ndarray, palette: list[int] | None, name: str, num_classes: int
) -> np.ndarray:
    """Return the indices; raise an error if the palette's background is not index 0."""
    used = np.unique(indices).tolist()
    padded = (palette or []) + [0] * (3 * 256)
    colours = {index: tuple(padded[3 * index : 3 * index + 3]) for index in used}
    black = [index for index in used if colours[index] == (0, 0, 0)]
    if palette and used == [0] and not black:
        raise UnusableVideo(
            f"{name} has only one colour, {colours[0]}, so background and object are ambiguous"
        )
    if len(set(colours.values())) < len(used) or black in ([], [0]):
        return indices.astype(np.int64)
    if len(used) > 2 or num_classes > 1:
        raise UnusableVideo(
            f"{name} has black at number {black[0]} of its palette, so the numbers of the classes "
            "are ambiguous; number the background 0 and the classes from 1"
        )
    return (indices != black[0]).astype(np.int64)


def _grey_or_colours(pixels: np.ndarray, name: str) -> tuple[str, np.ndarray]:
    """Grey values of a grey RGBA mask; otherwise its colours as numbers, with black as 0."""
    colours, alpha = pixels[..., :3].astype(np.int64), pixels[..., 3:]
    visible = np.where(alpha > 127, colours, 0)
    if alpha.min() < 128 <= alpha.max() and not visible.any():
        raise UnusableVideo(
            f"{name} is black on a transparent background; it must be white on black"
        )
    if (visible == visible[..., :1]).all():
        return "grey", visible[..., 0]
    packed = visible @ np.array([256 * 256, 256, 1])
    if packed.min() > 0:
        raise UnusableVideo(
            f"{name} is coloured and has no black background; its values must be 0 and 1, or 0 and "
            "255"
        )
    return "colours", np.unique(packed, return_inverse=True)[1].reshape(packed.shape)


def _listed(values: np.ndarray) -> str:
    unique = np.unique(values).tolist()
    return ", ".join(f"{value:g}" for value in unique[:6]) + (", ..." if len(unique) > 6 else "")
