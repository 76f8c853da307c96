"""Fills structures that are annotated as outlines, and detects open outlines."""

import cv2
import numpy as np
import scipy  # which loads scipy.ndimage when it is first used

MAX_GAP = 6
"""Widest gap of an outline, in pixels, that is closed when it is filled."""


def fill_outlines(labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Fill classes that are drawn as closed lines.

    A class is an outline if filling its holes more than doubles its area; a filled chamber with
    small holes is unchanged. Gaps of a line up to MAX_GAP pixels are closed. Pixels of another
    class inside the outline are not changed.

    Args:
        labels: (H, W) integer label map.

    Returns:
        The filled label map, (H, W) uint8, and the number of filled classes.
    """
    filled, count = labels.astype(np.uint8), 0
    for value in sorted(set(np.unique(labels).tolist()) - {0}):
        area = _enclosed(labels == value)
        if area is not None:
            filled[area & (filled == 0)] = value
            count += 1
    return filled, count


def _enclosed(line: np.ndarray) -> np.ndarray | None:
    """A closed line with its inside, (H, W) bool; None if it is not a line, or an open one."""
    area = scipy.ndimage.binary_fill_holes(line)
    if area.sum() > 2 * line.sum():
        return area
    if not _is_line(line):
        return None
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (MAX_GAP + 1, MAX_GAP + 1))
    bridged = cv2.morphologyEx(line.astype(np.uint8), cv2.MORPH_CLOSE, disc)
    area = scipy.ndimage.binary_fill_holes(bridged)
    return area if area.sum() > 2 * line.sum() else None


def open_outlines(labels: np.ndarray) -> list[int]:
    """Classes of a label map (H, W) that are open lines: too thin to be a chamber."""
    values = sorted(set(np.unique(labels).tolist()) - {0})
    return [value for value in values if _is_line(labels == value)]


def _is_line(mask: np.ndarray) -> bool:
    """True if a mask is thin for its extent, and covers less than half of its convex hull."""
    hull = cv2.contourArea(cv2.convexHull(np.argwhere(mask).astype(np.int32)))
    if hull <= 2 * mask.sum():
        return False
    # Padding, so that a chamber at the picture's edge does not count as thin.
    padded = np.pad(mask.astype(np.uint8), 1, mode="edge")
    thickness = 2 * cv2.distanceTransform(padded, cv2.DIST_L2, 3).max()
    return bool(thickness < 0.15 * hull**0.5)


def filled_polygon(corners: list[list[float]], size: tuple[int, int]) -> np.ndarray:
    """Mask of pixels whose centre is inside a polygon or on its edge, (H, W) uint8.

    cv2.fillPoly alone would also include every pixel that the edge crosses, so the mask would be
    half a pixel too large on all sides.

    Args:
        corners: (N, 2) corners as (x, y) in pixels; (0, 0) is the centre of the first pixel.
        size: (H, W) of the mask.
    """
    polygon = np.asarray(corners, np.float32)
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.rint(polygon).astype(np.int32)], 1)
    square = np.ones((3, 3), np.uint8)
    for row, column in np.argwhere(cv2.dilate(mask, square) != cv2.erode(mask, square)):
        centre = (float(column), float(row))
        mask[row, column] = cv2.pointPolygonTest(polygon, centre, False) >= 0
    return mask
