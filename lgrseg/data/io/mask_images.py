"""Masks in image files: grey values, palettes and colours become classes, or are refused.

| file holds | one class | several classes |
|---|---|---|
| one value besides 0: 1, 255, ... | that value is the class | the value is the class |
| grey values around 0 and 255 (JPEG, smooth edges) | those above 127 | refused |
| several whole numbers | refused, or all, where they number objects | the value is the class |
| a palette | its indices, as whole numbers; black is background | its indices |
| colours on black | as with several whole numbers | refused |

What would leave a mask empty although the file is not is refused: such an image would teach that
what it shows is nothing.
"""

from pathlib import Path

import numpy as np

from lgrseg.data.io.orientation import is_turned, orientation, upright
from lgrseg.data.raw_video import UnusableVideo

MIDDLE = (64, 191)
"""Grey values of no clear side, in a mask that is black and white."""
MAX_MIDDLE = 0.25
"""The largest share of them among the pixels that are not black."""
SMOOTH = 8
"""Fewer values than this do not come from smooth edges: each has a meaning, unless it is JPEG."""
UNSURE = 255
"""Beside other numbers, this often means "not annotated"."""


def read_mask_image(
    file: Path,
    num_classes: int,
    *,
    picture: Path,
    shown: tuple[int, int],
    numbers_objects: bool = False,
    notes: list[str],
) -> np.ndarray:
    """A mask, (H, W) uint8 of the upright picture: 0 background, k + 1 for class k.

    Args:
        file: mask.
        num_classes: of the dataset.
        picture: image file that the mask belongs to; its EXIF turns the mask, too.
        shown: (H, W) of the picture when it stands upright.
        numbers_objects: several values are several objects of the one class.
        notes: what a user should know is added here.

    Raises:
        UnusableVideo: no image, of another size, or values whose meaning is not certain.
    """
    name = f"{file.parent.name}/{file.name}"
    kind, values = _values(file, name, num_classes)
    values = upright(values, orientation(file))
    number = orientation(picture)
    if orientation(file) == 1 and is_turned(number, values.shape, shown):
        values = upright(values, number)
        notes.append(f"{name} was turned with its image, as EXIF says")
    if values.shape != tuple(shown):
        raise UnusableVideo(f"{name} is {values.shape}, its image {tuple(shown)}")
    if num_classes > 1:
        if kind == "colours" or values.max() > num_classes:
            held = "colours" if kind == "colours" else f"the values {_listed(values)}"
            raise UnusableVideo(
                f"{name} holds {held}; there are {num_classes} classes, so wanted are the values "
                f"0 to {num_classes}"
            )
        return values.astype(np.uint8)
    return _one_class(kind, values, name, notes, numbers_objects)


def _one_class(
    kind: str, values: np.ndarray, name: str, notes: list[str], numbers_objects: bool
) -> np.ndarray:
    others = np.unique(values[values > 0])
    if len(others) <= 1:
        if len(others) and others[0] not in (1, 255, 65535):
            notes.append(f"{name}: the value {others[0]}, the only one besides 0, is the structure")
        return (values > 0).astype(np.uint8)
    if kind in ("grey", "lossy") and _is_black_and_white(kind, values, others):
        return (values > 127).astype(np.uint8)
    if numbers_objects and others.max() < UNSURE:
        return (values > 0).astype(np.uint8)
    held = "several colours" if kind == "colours" else f"the values {_listed(values)}"
    raise UnusableVideo(
        f"{name} holds {held}, and there is one class: wanted are 0 and 1, or 0 and 255"
    )


def _is_black_and_white(kind: str, values: np.ndarray, others: np.ndarray) -> bool:
    """Whether grey values lie around 0 and 255, a few at edges between."""
    if others.min() > MIDDLE[1]:
        return others.max() <= 255
    between = np.count_nonzero((values >= MIDDLE[0]) & (values <= MIDDLE[1]))
    white = np.count_nonzero(values > MIDDLE[1])
    is_smooth = (kind == "lossy" or len(others) >= SMOOTH) and 200 <= others.max() <= 255
    return is_smooth and between <= MAX_MIDDLE * (between + white)


def _values(file: Path, name: str, num_classes: int) -> tuple[str, np.ndarray]:
    """What the file holds, and (H, W) numbers, 0 for background.

    "grey", "lossy" (grey as JPEG, whose values are not exact), "palette" or "colours".
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            if getattr(image, "n_frames", 1) > 1:
                raise UnusableVideo(f"{name} holds {image.n_frames} pictures; one is wanted")
            if image.mode == "P":
                indices, colours = np.asarray(image), image.getpalette()
                return "palette", _indices(indices, colours, name, num_classes)
            if image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16"):
                kind, values = "grey", _whole(np.asarray(image), name)
            else:
                kind, values = _grey_or_colours(np.asarray(image.convert("RGBA")), name)
            return "lossy" if kind == "grey" and image.format == "JPEG" else kind, values
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise UnusableVideo(f"{name} is no image, or is damaged ({error})") from error


def _whole(values: np.ndarray, name: str) -> np.ndarray:
    if not np.isfinite(values).all() or (values != np.rint(values)).any() or values.min() < 0:
        raise UnusableVideo(
            f"{name} holds the values {_listed(values)}; wanted are whole numbers from 0"
        )
    return values.astype(np.int64)


def _indices(
    indices: np.ndarray, palette: list[int] | None, name: str, num_classes: int
) -> np.ndarray:
    """Indices as they are, unless the palette shows the background under another one than 0."""
    used = np.unique(indices).tolist()
    padded = (palette or []) + [0] * (3 * 256)
    colours = {index: tuple(padded[3 * index : 3 * index + 3]) for index in used}
    black = [index for index in used if colours[index] == (0, 0, 0)]
    if palette and used == [0] and not black:
        raise UnusableVideo(
            f"{name} is of one colour, {colours[0]}: all background, or all object?"
        )
    if len(set(colours.values())) < len(used) or black in ([], [0]):
        return indices.astype(np.int64)
    if len(used) > 2 or num_classes > 1:
        raise UnusableVideo(
            f"{name} has black under the number {black[0]} of its palette: which number is which "
            "class is not certain; number the classes from 1, and the background 0"
        )
    return (indices != black[0]).astype(np.int64)


def _grey_or_colours(pixels: np.ndarray, name: str) -> tuple[str, np.ndarray]:
    """Grey values of an RGBA mask that is grey; else its colours numbered, black as 0."""
    colours, alpha = pixels[..., :3].astype(np.int64), pixels[..., 3:]
    seen = np.where(alpha > 127, colours, 0)
    if alpha.min() < 128 <= alpha.max() and not seen.any():
        raise UnusableVideo(f"{name} is black on transparent ground; wanted is white on black")
    if (seen == seen[..., :1]).all():
        return "grey", seen[..., 0]
    packed = seen @ np.array([256 * 256, 256, 1])
    if packed.min() > 0:
        raise UnusableVideo(
            f"{name} is coloured and has no black background; wanted are the values 0 and 1, or 0 "
            "and 255"
        )
    return "colours", np.unique(packed, return_inverse=True)[1].reshape(packed.shape)


def _listed(values: np.ndarray) -> str:
    found = np.unique(values).tolist()
    return ", ".join(f"{value:g}" for value in found[:6]) + (", ..." if len(found) > 6 else "")
