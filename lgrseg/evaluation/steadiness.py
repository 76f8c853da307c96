"""How steady the masks of a video are from frame to frame.

A heart moves smoothly; a mask that jumps, splits or vanishes for a frame is wrong somewhere, also
where nothing is annotated.

Sources: areas and centroids: Painchaud et al., "Echocardiography Segmentation with Enforced
Temporal Consistency", IEEE TMI 2022 (second differences); Dice of neighbouring frames: Lai et al.,
ECCV 2018, who compare warped frames; here nothing is warped, so fast walls cost a little as well.
"""

import cv2
import numpy as np


def steadiness(masks: np.ndarray, spacing_mm: tuple[float, float] | None = None) -> dict:
    """Of one structure in one video.

    Args:
        masks: (T, H, W) bool.
        spacing_mm: of rows and of columns; None measures in pixels.

    Returns:
        "area_jerk": mean |second difference of the area| / mean area; "centroid_jerk": mean length
        of the second difference of the centroid, in mm or pixels; "dice_of_neighbours": mean Dice
        of a frame and the next, of those that are not both empty; "frames_absent" and
        "frames_split" (more than one part above 2% of the area); "frames" in all. What cannot be
        said is NaN: jerks need three frames in a row that show the structure.
    """
    rows, columns = spacing_mm or (1.0, 1.0)
    masks = np.asarray(masks, bool)
    areas = masks.sum(axis=(1, 2)) * rows * columns
    centroids = np.array([_centroid(mask) * (rows, columns) for mask in masks]).reshape(-1, 2)
    shown = np.where(areas > 0, areas, np.nan)
    pairs = [(a, b) for a, b in zip(masks, masks[1:], strict=False) if a.any() or b.any()]
    dice = [2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in pairs]
    return {
        "area_jerk": _mean(np.abs(np.diff(shown, 2))) / _mean(shown),
        "centroid_jerk": _mean(np.linalg.norm(np.diff(centroids, 2, axis=0), axis=1)),
        "dice_of_neighbours": _mean(np.array(dice)),
        "frames_absent": int((areas == 0).sum()),
        "frames_split": sum(_is_split(mask) for mask in masks),
        "frames": len(masks),
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
