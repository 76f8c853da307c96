"""Steadiness of the masks of a video from frame to frame.

A heart moves smoothly. A mask that jumps, splits or vanishes for one frame is wrong in some frame.
This can be measured without annotations.

Sources: areas and centroids: Painchaud et al., "Echocardiography Segmentation with Enforced
Temporal Consistency", IEEE TMI 2022 (second differences); Dice of neighbouring frames: Lai et al.,
ECCV 2018, who compare warped frames. Here frames are not warped, so fast wall motion lowers the
Dice a little as well.
"""

from collections.abc import Iterable

import cv2
import numpy as np


def steadiness(masks: Iterable[np.ndarray], spacing_mm: tuple[float, float] | None = None) -> dict:
    """Measure the steadiness of one structure in one video.

    Args:
        masks: (H, W) bool for each of T frames; an iterator is accepted.
        spacing_mm: millimetres per pixel, (row, column); None measures in pixels.

    Returns:
        "area_jerk": mean |second difference of the area| / mean area; "centroid_jerk": mean length
        of the second difference of the centroid, in mm or pixels; "dice_of_neighbours": mean Dice
        of consecutive frames, without pairs of empty frames; "frames_absent": number of frames
        without the structure; "frames_split": number of frames with more than one part above 2%
        of the area; "frames": number of all frames. Values that cannot be computed are NaN: a jerk
        needs three consecutive frames with the structure.
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
    steps = np.diff(np.reshape(centroids, (-1, 2)), 2, axis=0)
    return {
        "area_jerk": _mean(np.abs(np.diff(shown, 2))) / _mean(shown),
        "centroid_jerk": _mean(np.linalg.norm(steps, axis=1)),
        "dice_of_neighbours": _mean(np.array(dice)),
        "frames_absent": int((areas == 0).sum()),
        "frames_split": num_split,
        "frames": len(areas),
    }


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _centroid(mask: np.ndarray) -> np.ndarray:
    return np.argwhere(mask).mean(axis=0) if mask.any() else np.full(2, np.nan)


def _is_split(mask: np.ndarray) -> bool:
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    return count > 2 and int((areas > 0.02 * areas.sum()).sum()) > 1
