"""Distances between the borders of two masks, in pixels or millimetres.

The border of a mask is those of its pixels that have a neighbour outside it, above, below, left or
right; beyond the picture's edge is outside. From every border pixel of one mask the distance to the
nearest border pixel of the other is measured, both ways: two directed sets of distances, of which
the measures are made. This is what medpy and MONAI do; surface-distance weights border pieces by
their length instead, and differs by a few per cent of a pixel.

What is measured (d are the distances from prediction to truth, e those back):

| name | definition | the same in |
|---|---|---|
| hd | max(max d, max e) | medpy `hd`, MONAI |
| hd95 | max(95th percentile of d, of e) | MONAI; medpy: of all d and e (`pooled=True`) |
| assd | mean of all d and e | medpy 0.5 `assd`, MONAI (symmetric) |
| mad | (mean d + mean e) / 2, also called MASD | medpy 0.4 `assd` |
| nsd | share of all border pixels that are within a tolerance of the other border | MONAI |

No border in either mask: NaN, there is nothing to measure, and means leave it out. A border in one
only: distances are infinite and nsd is 0; means of distances leave infinite ones out, and
`results.json` counts them as "missed". (medpy raises there, MONAI gives NaN or infinity.)

Sources: Maier-Hein et al., "Metrics reloaded", Nature Methods 2024, and its supplement; Nikolov et
al., 2018, for nsd ("surface Dice"); Leclerc et al., IEEE TMI 2019, for CAMUS.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

NAMES = ("hd", "hd95", "assd", "mad", "nsd")


@dataclass(frozen=True)
class BorderDistances:
    """Distances from each border pixel of one mask to the other's border; empty without one."""

    forward: np.ndarray
    """(N,) from the prediction's border."""
    backward: np.ndarray
    """(M,) from the truth's."""

    @property
    def _empty(self) -> float | None:
        """What a distance is where a border is missing; None where there are both."""
        if len(self.forward) and len(self.backward):
            return None
        return np.inf if len(self.forward) or len(self.backward) else np.nan

    def hd(self) -> float:
        """Hausdorff distance."""
        if self._empty is not None:
            return self._empty
        return float(max(self.forward.max(), self.backward.max()))

    def hd95(self, *, pooled: bool = False) -> float:
        """Its 95th percentile: the larger of the two directed ones, or that of all (medpy's)."""
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
        """Mean of the two directed mean distances; a long border does not outweigh a short one."""
        if self._empty is not None:
            return self._empty
        return float((self.forward.mean() + self.backward.mean()) / 2)

    def nsd(self, tolerance: float) -> float:
        """Normalised surface Dice, 0 to 1."""
        if self._empty is not None:
            return 0.0 if np.isinf(self._empty) else np.nan
        near = (self.forward <= tolerance).sum() + (self.backward <= tolerance).sum()
        return float(near / (len(self.forward) + len(self.backward)))


def border_distances(
    prediction: np.ndarray, truth: np.ndarray, spacing: tuple[float, float] = (1.0, 1.0)
) -> BorderDistances:
    """Both directed sets of distances of two masks.

    Args:
        prediction: (H, W) bool.
        truth: (H, W) bool.
        spacing: of rows and of columns; distances are in its unit.

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
    """Row and column of every border pixel of a mask (H, W): (N, 2)."""
    mask = mask.astype(bool, copy=False)
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return np.zeros((0, 2))
    columns = np.flatnonzero(mask.any(axis=0))
    top, left = rows[0], columns[0]
    cut = np.zeros((rows[-1] - top + 3, columns[-1] - left + 3), bool)  # with a margin of nothing
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
    """All of `NAMES` for every class of two label maps.

    Args:
        prediction: (H, W) uint8, 0 background, k + 1 for class k.
        truth: (H, W) likewise.
        num_classes: K.
        spacing: millimetres of (row, column); None measures in pixels.
        tolerance: of nsd, in the same unit.

    Returns:
        (K, 5) float64.
    """
    rows = []
    for label in range(1, num_classes + 1):
        found = border_distances(prediction == label, truth == label, spacing or (1.0, 1.0))
        rows.append([found.hd(), found.hd95(), found.assd(), found.mad(), found.nsd(tolerance)])
    return np.array(rows)
