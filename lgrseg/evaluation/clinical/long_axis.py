"""The long axis of a chamber: from the middle of its base to its apex.

Positions are (row, column) in millimetres.
"""

import itertools
from dataclasses import dataclass

import cv2
import numpy as np

from lgrseg.evaluation.metrics.surface import border


@dataclass(frozen=True)
class LongAxis:
    """A line in the plane of the picture."""

    base: np.ndarray
    """(2,) middle of the valve plane."""
    apex: np.ndarray
    """(2,) the point of the chamber that is farthest from it."""
    from_neighbour: bool
    """Whether the base is the border with the next chamber, or was found from the shape."""
    bulge: float = 0.0
    """How far a base found from the shape is from a straight line, as part of its width: 0 for the
    flat end of a chamber, 0.04 or more for its side or its round end."""

    @property
    def length(self) -> float:
        """Millimetres."""
        return float(np.linalg.norm(self.apex - self.base))

    @property
    def direction(self) -> np.ndarray:
        """(2,) unit vector from base to apex; upwards where they are one point."""
        if self.length == 0:
            return np.array([-1.0, 0.0])
        return (self.apex - self.base) / self.length


def find_long_axis(
    mask: np.ndarray, spacing_mm: tuple[float, float], *, neighbour: np.ndarray | None = None
) -> LongAxis:
    """The long axis of a chamber in one piece.

    Args:
        mask: (H, W) bool, not empty.
        spacing_mm: of rows and of columns.
        neighbour: (H, W) bool, the chamber behind the valve.
    """
    points = np.argwhere(mask) * spacing_mm
    base, bulge = None, 0.0
    if neighbour is not None and neighbour.any():
        base = _border_with(mask, neighbour, spacing_mm)
    from_neighbour = base is not None
    if base is None:
        base, bulge = _base_of_shape(points)
    apex = _farthest(points, base)
    # Pixels are areas: the chamber reaches half a pixel beyond the middle of its last one.
    axis = LongAxis(base, apex, from_neighbour)
    reach = 0.5 * float(np.abs(axis.direction) @ np.asarray(spacing_mm))
    return LongAxis(base, apex + reach * axis.direction, from_neighbour, bulge)


def largest_part(mask: np.ndarray) -> tuple[np.ndarray, float]:
    """The largest connected part of a mask, and the share of it that lies in others."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 2:
        return mask.astype(bool), 0.0
    areas = stats[1:, cv2.CC_STAT_AREA]
    return parts == 1 + areas.argmax(), 1 - areas.max() / areas.sum()


def _farthest(points: np.ndarray, base: np.ndarray) -> np.ndarray:
    return points[((points - base) ** 2).sum(axis=1).argmax()]


def _border_with(mask: np.ndarray, neighbour: np.ndarray, spacing) -> np.ndarray | None:
    """The middle of the chamber's border with the next one; None where they are far apart."""
    from scipy.spatial import cKDTree

    own, other = (border(m) * spacing for m in (mask, neighbour))
    distances, nearest = cKDTree(other).query(own)
    # A valve of a few millimetres may lie between; beyond, it is another chamber's neighbour.
    least = distances.min()
    if least > 0.15 * np.ptp(own, axis=0).max() + 2 * max(spacing):
        return None
    touching = distances <= least + 1.5 * max(spacing)
    edge = (own[touching] + other[nearest[touching]]) / 2  # half-way across the valve
    ends = _ends(edge)
    middle = ends.mean(axis=0)
    # On the chamber's own side of the valve.
    inside = own[((own - middle) ** 2).sum(axis=1).argmin()]
    outwards = middle - inside
    gap = np.linalg.norm(outwards)
    half_pixel = 0.5 * max(spacing)
    return inside + outwards * min(1.0, half_pixel / gap) if gap > 0 else inside


def _ends(points: np.ndarray) -> np.ndarray:
    """The two ends of a line of points: those that are farthest along its main direction."""
    centred = points - points.mean(axis=0)
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    along = centred @ direction
    return points[[along.argmin(), along.argmax()]]


def _base_of_shape(points: np.ndarray) -> tuple[np.ndarray, float]:
    """The middle of the flat, wide end of a shape, and how far that end bulges.

    Its principal axis tells the two ends, the wider of them is the base, and a line through the
    outermost points of its middle part is the valve plane, which may lie askew.
    """
    centre, bulge = points.mean(axis=0), 0.0
    if len(points) < 3:
        return centre, bulge
    across, along = np.linalg.eigh(np.cov((points - centre).T))[1].T  # eigenvalues ascend
    v, u = (points - centre) @ along, (points - centre) @ across
    if _width(u, v, v.min()) > _width(u, v, v.max()):
        along, v = -along, -v
    for _ in range(3):  # the axis turns towards the base's middle, and the plane with it
        across = np.array([-along[1], along[0]])
        v, u = (points - centre) @ along, (points - centre) @ across
        low, high = _span(u, v)
        middle, reach = (low + high) / 2, 0.3 * (high - low)
        places, tops = _outermost(u, v, np.linspace(middle - reach, middle + reach, 9))
        if len(tops) < 3:
            return centre + v.max() * along, bulge
        slope, offset = np.polyfit(places, tops, 1)
        bulge = -np.polyfit(places, tops, 2)[0] * reach**2 / (high - low)
        base = centre + middle * across + (offset + slope * middle) * along
        towards = base - _farthest(points, base)
        along = towards / max(float(np.linalg.norm(towards)), 1e-9)
    return base, float(bulge)


def _outermost(u: np.ndarray, v: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest v between every two edges, and the middles of them; empty ones are left out."""
    between = [(a, b, (u >= a) & (u < b)) for a, b in itertools.pairwise(edges)]
    found = [((a + b) / 2, v[there].max()) for a, b, there in between if there.any()]
    places, tops = np.array(found).reshape(-1, 2).T
    return places, tops


def _width(u: np.ndarray, v: np.ndarray, end: float) -> float:
    near = np.abs(v - end) <= 0.12 * np.ptp(v)
    return float(np.ptp(u[near]))


def _span(u: np.ndarray, v: np.ndarray) -> tuple[float, float]:
    """The width of the base, some way from its outermost point, where corners are cut off."""
    near = v >= v.max() - 0.2 * np.ptp(v)
    return float(u[near].min()), float(u[near].max())
