"""The record of a still image with its labels, and the drawing of its outlines."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lgrseg.data.io.orientation import is_turned, stored_size, upright
from lgrseg.data.raw_video import UnusableVideo

MAX_OUTSIDE = 0.02
"""Corners may lie outside the picture by this share of its side, because of rounding."""


@dataclass
class Still:
    """One image, with a mask file, a label or shapes; or the reason why it is refused."""

    image: Path
    mask: Path | None = None
    """File of the mask, with one value per class."""
    label: int | None = None
    """Class of the whole image."""
    shapes: list[tuple[int, list | dict]] | None = None
    """(value, shape); a shape is [[x1, y1, x2, y2, ...], ...] (polygons) or COCO's run lengths."""
    drawn_on: tuple[int, int] | None = None
    """(H, W) of the picture that the shapes were drawn on; None if it is not known."""
    in_parts: bool = False
    """True if corners are shares of the width and height, 0 to 1; false if they are pixels."""
    refused: str | None = None
    """Reason why its labels cannot be used; None if they can."""
    notes: list[str] = field(default_factory=list)


def draw(labels: dict, shown: tuple[int, int], number: int, notes: list[str]) -> np.ndarray:
    """The mask of an image with outlines: (H, W) uint8 of the upright picture.

    Args:
        labels: "shapes", "drawn_on" and "in_parts" of a Still.
        shown: (H, W) of the upright picture.
        number: EXIF orientation of the picture, 1 to 8.
        notes: list to which notes for the user are added.

    Raises:
        UnusableVideo: the shapes were drawn on a picture of another size, or cannot be drawn.
    """
    shapes, stored = labels["shapes"], stored_size(shown, number)
    if labels["in_parts"] and shapes and number != 1:
        raise UnusableVideo(
            f"EXIF (orientation {number}) turns the image, but outlines with coordinates of 0 to 1 "
            "do not state whether it was turned before they were drawn: save the image upright"
        )
    drawn_on = tuple(labels["drawn_on"] or (shown if labels["in_parts"] else stored))
    if drawn_on not in (shown, stored):
        raise UnusableVideo(
            f"its outlines were drawn on a picture of {drawn_on[0]} x {drawn_on[1]} (rows x "
            f"columns), the image is {shown[0]} x {shown[1]}"
        )
    mask, faults = np.zeros(drawn_on, np.uint8), []
    for place, (value, shape) in enumerate(shapes, start=1):
        if labels["in_parts"]:
            shape = [(np.reshape(p, (-1, 2)) * drawn_on[::-1]).ravel().tolist() for p in shape]
        if fault := fault_of_shape(shape, drawn_on):
            faults.append(f"object {place} {fault}")
        else:
            inside = pixels_of_shape(shape, drawn_on)
            mask[inside] = value
            if not inside.any():
                faults.append(f"object {place} covers no pixel")
    if shapes and not mask.any():
        raise UnusableVideo(f"none of its {len(shapes)} objects can be drawn: {'; '.join(faults)}")
    notes += [f"{fault}: left out" for fault in faults]
    if shapes and is_turned(number, drawn_on, shown):
        notes.append("the outlines were turned with the image, as EXIF says")
        mask = upright(mask, number)
    return mask


def fault_of_shape(shape: list | dict, size: tuple[int, int]) -> str | None:
    """Reason why a shape cannot be drawn; None if it can."""
    if isinstance(shape, dict):
        return _fault_of_runs(shape, size)
    if not isinstance(shape, list):
        return f"is {shape!r}, neither a list of polygons nor run lengths"
    for polygon in shape:
        try:
            corners = np.asarray(polygon, float).reshape(-1, 2)
        except (TypeError, ValueError):
            return "is not a list of x and y"
        if len(corners) < 3:
            return "has fewer than three points"
        if not np.isfinite(corners).all():
            return "has a coordinate that is not a finite number"
        sides = np.array(size[::-1])
        if max(size) > 2 and corners.min() >= 0 and corners.max() <= 1:
            return "has only coordinates of 0 to 1: they must be pixels"
        margin = np.maximum(1, MAX_OUTSIDE * sides)
        if (corners < -margin).any() or (corners > sides + margin).any():
            low, high = corners.min(axis=0), corners.max(axis=0)
            return (
                f"reaches from ({low[0]:g}, {low[1]:g}) to ({high[0]:g}, {high[1]:g}), beyond the "
                f"picture of {size[1]} x {size[0]}"
            )
    return None if shape else "has no points"


def _fault_of_runs(runs: dict, size: tuple[int, int]) -> str | None:
    if runs.get("size") != list(size):
        return f"has run lengths for (H, W) = {runs.get('size')}, the picture is {size}"
    counts = runs.get("counts")
    if isinstance(counts, list):
        are_counts = all(isinstance(count, int) and count >= 0 for count in counts)
        if not are_counts or sum(counts) != size[0] * size[1]:
            return f"has run lengths that do not add up to {size[0]} x {size[1]} pixels"
    elif not isinstance(counts, str) or not all("0" <= letter <= "o" for letter in counts):
        return "has damaged run lengths"
    return None


def pixels_of_shape(shape: list | dict, size: tuple[int, int]) -> np.ndarray:
    """Pixels of a shape, (H, W) bool; (0, 0) is the corner of the picture, not a pixel's centre."""
    from pycocotools import mask as coco

    try:
        if not isinstance(shape, dict):
            polygons = [np.asarray(polygon, float).ravel().tolist() for polygon in shape]
            return coco.decode(coco.merge(coco.frPyObjects(polygons, *size))) > 0
        packed = isinstance(shape["counts"], str)
        return coco.decode(shape if packed else coco.frPyObjects(shape, *size)) > 0
    except ValueError as error:  # more pixels than the picture has
        raise UnusableVideo(f"an object has damaged run lengths ({error})") from error
