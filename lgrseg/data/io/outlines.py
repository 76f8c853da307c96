"""Structures that were drawn as a line around them: filled, or found to be open."""

import cv2
import numpy as np
from scipy.ndimage import binary_fill_holes

MAX_GAP = 6
"""Pixels: the widest gap of an outline that is still bridged when it is filled."""


def fill_outlines(labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Classes that are drawn as a closed line become the area inside it.

    A class is an outline where filling its holes more than doubles it; a filled chamber with a hole
    or two is left as it is. Gaps of a line up to MAX_GAP pixels are bridged. Inside one class,
    pixels of another stay what they are.

    Args:
        labels: (H, W) integer.

    Returns:
        (H, W) uint8, and how many classes were filled.
    """
    filled, count = labels.astype(np.uint8), 0
    for value in sorted(set(np.unique(labels).tolist()) - {0}):
        area = _enclosed(labels == value)
        if area is not None:
            filled[area & (filled == 0)] = value
            count += 1
    return filled, count


def _enclosed(line: np.ndarray) -> np.ndarray | None:
    """A line with what is inside it, (H, W) bool; None where it is no line, or an open one."""
    area = binary_fill_holes(line)
    if area.sum() > 2 * line.sum():
        return area
    if not _is_line(line):
        return None
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (MAX_GAP + 1, MAX_GAP + 1))
    bridged = cv2.morphologyEx(line.astype(np.uint8), cv2.MORPH_CLOSE, disc)
    area = binary_fill_holes(bridged)
    return area if area.sum() > 2 * line.sum() else None


def open_outlines(labels: np.ndarray) -> list[int]:
    """Classes of (H, W) labels that are lines around nothing: no chamber is so thin."""
    values = sorted(set(np.unique(labels).tolist()) - {0})
    return [value for value in values if _is_line(labels == value)]


def _is_line(mask: np.ndarray) -> bool:
    """Whether a mask is thin for its extent, and less than half of its convex hull."""
    hull = cv2.contourArea(cv2.convexHull(np.argwhere(mask).astype(np.int32)))
    if hull <= 2 * mask.sum():
        return False
    # Padded, for a chamber that the picture's edge cuts is no thinner for it.
    padded = np.pad(mask.astype(np.uint8), 1, mode="edge")
    thickness = 2 * cv2.distanceTransform(padded, cv2.DIST_L2, 3).max()
    return bool(thickness < 0.15 * hull**0.5)


def filled_polygon(corners: list[list[float]], size: tuple[int, int]) -> np.ndarray:
    """Pixels whose centre lies in a polygon or on its edge, (H, W) uint8.

    cv2.fillPoly alone also takes every pixel that the edge passes, which is half a pixel too much
    all around.

    Args:
        corners: (N, 2) as x, y; (0, 0) is the centre of the first pixel.
        size: (H, W).
    """
    polygon = np.asarray(corners, np.float32)
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.rint(polygon).astype(np.int32)], 1)
    square = np.ones((3, 3), np.uint8)
    for row, column in np.argwhere(cv2.dilate(mask, square) != cv2.erode(mask, square)):
        place = (float(column), float(row))
        mask[row, column] = cv2.pointPolygonTest(polygon, place, False) >= 0
    return mask
