"""Distances between the borders of two masks, in pixels or millimetres.

A border pixel of a mask is a pixel with a neighbour (above, below, left or right) outside the mask;
the area beyond the picture's edge is outside. For every border pixel of one mask, the distance to
the nearest border pixel of the other mask is measured, in both directions. All measures are
computed from these two sets of distances, as in medpy and MONAI. The package surface-distance
weights border pieces by their length instead, and differs by a few per cent of a pixel.

Measures (d: distances from prediction to truth, e: distances from truth to prediction):

| name | definition | the same in |
|---|---|---|
| hd | max(max d, max e) | medpy `hd`, MONAI |
| hd95 | max(95th percentile of d, of e) | MONAI; medpy: of all d and e (`pooled=True`) |
| assd | mean of all d and e | medpy 0.5 `assd`, MONAI (symmetric) |
| mad | (mean d + mean e) / 2, also called MASD | medpy 0.4 `assd` |
| nsd | share of all border pixels that are within a tolerance of the other border | MONAI |

If both masks are empty, all measures are NaN, and means leave them out. If one mask is empty,
distances are infinite and nsd is 0; means leave infinite distances out, and `results.json` counts
them as "missed". (medpy raises an error, MONAI gives NaN or infinity.)

Sources: Maier-Hein et al., "Metrics reloaded", Nature Methods 2024, and its supplement; Nikolov et
al., 2018, for nsd ("surface Dice"); Leclerc et al., IEEE TMI 2019, for CAMUS.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

NAMES = ("hd", "hd95", "assd", "mad", "nsd")


@dataclass(frozen=True)
class BorderDistances:
    """Distances from each border pixel of one mask to the border of the other mask."""

    forward: np.ndarray
    """(N,) distances from the prediction's border pixels to the truth; empty without a border."""
    backward: np.ndarray
    """(M,) distances from the truth's border pixels to the prediction; empty without a border."""

    @property
    def _empty(self) -> float | None:
        """The value of all distances if a border is missing; None if both borders exist."""
        if len(self.forward) and len(self.backward):
            return None
        return np.inf if len(self.forward) or len(self.backward) else np.nan

    def hd(self) -> float:
        """Hausdorff distance."""
        if self._empty is not None:
            return self._empty
        return float(max(self.forward.max(), self.backward.max()))

    def hd95(self, *, pooled: bool = False) -> float:
        """95th percentile: the larger of the two directions, or of all pooled distances (medpy)."""
        if self._empty is not None:
            return self._empty
        if pooled:
            return float(np.percentile(np.concatenate([self.forward, self.backward]), 95))
        return float(max(np.percentile(self.forward, 95), np.percentile(self.backward, 95)))

    def assd(self) -> float:
        """Average symmetric surface distance."""
        if self._empty is not None:
            return self._empty
        return float(np.concatenate([self.forward, self.backward]).mean())

    def mad(self) -> float:
        """Mean of the mean distances of both directions; both borders have equal weight."""
        if self._empty is not None:
            return self._empty
        return float((self.forward.mean() + self.backward.mean()) / 2)

    def nsd(self, tolerance: float) -> float:
        """Normalised surface Dice, 0 to 1."""
        if self._empty is not None:
            return 0.0 if np.isinf(self._empty) else np.nan
        num_near = (self.forward <= tolerance).sum() + (self.backward <= tolerance).sum()
        return float(num_near / (len(self.forward) + len(self.backward)))


def border_distances(
    prediction: np.ndarray, truth: np.ndarray, spacing: tuple[float, float] = (1.0, 1.0)
) -> BorderDistances:
    """Distances between the borders of two masks, in both directions.

    Args:
        prediction: (H, W) bool mask.
        truth: (H, W) bool mask.
        spacing: pixel size (row, column); distances are in its unit.

    Raises:
        ValueError: the masks differ in shape.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"the masks differ in shape: {prediction.shape} and {truth.shape}")
    a, b = border(prediction) * spacing, border(truth) * spacing
    if not len(a) or not len(b):
        return BorderDistances(np.full(len(a), np.inf), np.full(len(b), np.inf))
    return BorderDistances(cKDTree(b).query(a)[0], cKDTree(a).query(b)[0])


def border(mask: np.ndarray) -> np.ndarray:
    """(N, 2) row and column of every border pixel of a mask (H, W)."""
    mask = mask.astype(bool, copy=False)
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return np.zeros((0, 2))
    columns = np.flatnonzero(mask.any(axis=0))
    top, left = rows[0], columns[0]
    cut = np.zeros((rows[-1] - top + 3, columns[-1] - left + 3), bool)  # with an empty margin
    cut[1:-1, 1:-1] = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    inner = cut[:-2, 1:-1] & cut[2:, 1:-1] & cut[1:-1, :-2] & cut[1:-1, 2:]
    return np.argwhere(cut[1:-1, 1:-1] & ~inner) + (top, left)


def measure(
    prediction: np.ndarray,
    truth: np.ndarray,
    num_classes: int,
    *,
    spacing: tuple[float, float] | None,
    tolerance: float,
) -> np.ndarray:
    """Compute all of `NAMES` for every class of two label maps.

    Args:
        prediction: (H, W) uint8, 0 background, k + 1 for class k.
        truth: (H, W) uint8, labelled in the same way.
        num_classes: number K of classes.
        spacing: millimetres of (row, column); None measures in pixels.
        tolerance: tolerance of nsd, in the unit of the spacing.

    Returns:
        (K, 5) float64, one row per class, columns as in `NAMES`.
    """
    rows = []
    for label in range(1, num_classes + 1):
        distances = border_distances(prediction == label, truth == label, spacing or (1.0, 1.0))
        rows.append(
            [
                distances.hd(),
                distances.hd95(),
                distances.assd(),
                distances.mad(),
                distances.nsd(tolerance),
            ]
        )
    return np.array(rows)
