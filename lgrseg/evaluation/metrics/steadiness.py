"""Steadiness of the masks of a video from frame to frame.

A heart moves smoothly. A mask that jumps, splits or vanishes for one frame is wrong in some frame.
This can be measured without annotations.

Sources: areas and centroids: Painchaud et al., "Echocardiography Segmentation with Enforced
Temporal Consistency", IEEE TMI 2022 (second differences); Dice of neighbouring frames: Lai et al.,
ECCV 2018, who compare warped frames. Here frames are not warped, so fast wall motion lowers the
Dice a little as well. Painchaud et al. also count the frames whose second differences are above a
limit; here JUMP is the limit.
"""

from collections.abc import Iterable

import cv2
import numpy as np

JUMP = 0.1
"""Smallest jump, as part of the mean area, or of its square root for the centroid. A simulated
heart with an ejection fraction of 54% stays below this at 8 frames per beat or more."""


def steadiness(
    masks: Iterable[np.ndarray],
    spacing_mm: tuple[float, float] | None = None,
    fps: float | None = None,
) -> dict:
    """Measure the steadiness of one structure in one video.

    Args:
        masks: (H, W) bool for each of T frames; an iterator is accepted.
        spacing_mm: millimetres per pixel, (row, column); None measures in pixels.
        fps: frames per second; None, or infinite as in some files, if the rate is not known.

    Returns:
        "area_jerk": mean |second difference of the area| / mean area; "centroid_jerk": mean length
        of the second difference of the centroid, in mm or pixels; "dice_of_neighbours": mean Dice
        of consecutive frames, without pairs of empty frames; "frames_absent": number of frames
        without the structure; "frames_split": number of frames with more than one part above 2%
        of the area; "frames": number of all frames; "jumps_per_second" (see `count_jumps`) and
        "vanishings_per_second" (see `count_vanishings`). Values that cannot be computed are NaN: a
        jerk needs three consecutive frames with the structure, and a rate needs `fps`.
    """
    rows, columns = spacing_mm or (1.0, 1.0)
    sizes: list[float] = []
    centroids: list[np.ndarray] = []
    dice: list[float] = []
    num_split = 0
    previous: np.ndarray | None = None
    for mask in masks:
        sizes.append(mask.sum() * rows * columns)
        centroids.append(_centroid(mask) * (rows, columns))
        num_split += _is_split(mask)
        if previous is not None and (previous.any() or mask.any()):
            dice.append(2 * (previous & mask).sum() / (previous.sum() + mask.sum()))
        previous = mask
    areas = np.array(sizes)
    shown = np.where(areas > 0, areas, np.nan)
    places = np.reshape(centroids, (-1, 2))
    steps = np.diff(places, 2, axis=0)
    has_rate = fps is not None and 0 < fps < float("inf")
    seconds = len(areas) / fps if fps and has_rate and len(areas) else float("nan")
    return {
        "area_jerk": _mean(np.abs(np.diff(shown, 2))) / _mean(shown),
        "centroid_jerk": _mean(np.linalg.norm(steps, axis=1)),
        "dice_of_neighbours": _mean(np.array(dice)),
        "frames_absent": int((areas == 0).sum()),
        "frames_split": num_split,
        "frames": len(areas),
        "jumps_per_second": count_jumps(shown, places) / seconds,
        "vanishings_per_second": count_vanishings(areas > 0) / seconds,
    }


def count_jumps(areas: np.ndarray, centroids: np.ndarray) -> int:
    """Count how often the area or the place of a structure jumps.

    A frame jumps if its area differs from the mean of both neighbouring frames by more than JUMP
    times the mean area, or if its centroid lies further from the middle of theirs than JUMP times
    the square root of the mean area. Consecutive frames that jump count once. A frame without the
    structure is no jump.

    Args:
        areas: (T,) area of the structure in each frame; NaN without the structure.
        centroids: (T, 2) its centroid, in the unit whose square is that of the areas; NaN without
            the structure.
    """
    area = _mean(areas)
    grown = np.abs(np.diff(areas, 2)) / 2 / area
    moved = np.linalg.norm(np.diff(centroids, 2, axis=0), axis=1) / 2 / np.sqrt(area)
    return _count_runs((grown > JUMP) | (moved > JUMP))


def count_vanishings(present: np.ndarray) -> int:
    """Count how often a structure is lost and comes back.

    Args:
        present: (T,) bool: true for frames with the structure. Frames before the first and after
            the last of them do not count, because the structure may be outside the view.
    """
    frames = np.flatnonzero(present)
    return _count_runs(~present[frames[0] : frames[-1]]) if len(frames) else 0


def _count_runs(flags: np.ndarray) -> int:
    """Number of runs of consecutive true values."""
    return int((np.diff(flags.astype(np.int8), prepend=0) == 1).sum())


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _centroid(mask: np.ndarray) -> np.ndarray:
    return np.argwhere(mask).mean(axis=0) if mask.any() else np.full(2, np.nan)


def _is_split(mask: np.ndarray) -> bool:
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    return count > 2 and int((areas > 0.02 * areas.sum()).sum()) > 1
