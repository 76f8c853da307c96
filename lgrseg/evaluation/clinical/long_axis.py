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
    """(2,) point of the chamber that is farthest from the base."""
    from_neighbour: bool
    """True if the base is the border with the neighbour, False if it is found from the shape."""
    bulge: float = 0.0
    """For a base found from the shape: its deviation from a straight line, as a fraction of its
    width. It is 0 for the flat end of a chamber, and 0.04 or more for its side or its round end."""

    @property
    def length(self) -> float:
        """Length of the axis in millimetres."""
        return float(np.linalg.norm(self.apex - self.base))

    @property
    def direction(self) -> np.ndarray:
        """(2,) unit vector from base to apex; points upwards if base and apex coincide."""
        if self.length == 0:
            return np.array([-1.0, 0.0])
        return (self.apex - self.base) / self.length


def find_long_axis(
    mask: np.ndarray, spacing_mm: tuple[float, float], *, neighbour: np.ndarray | None = None
) -> LongAxis:
    """The long axis of a chamber that is one connected part.

    Args:
        mask: (H, W) bool, not empty.
        spacing_mm: millimetres per pixel, (row, column).
        neighbour: (H, W) bool mask of the chamber behind the valve.
    """
    points = np.argwhere(mask) * spacing_mm
    base, bulge = None, 0.0
    if neighbour is not None and neighbour.any():
        base = _border_with(mask, neighbour, spacing_mm)
    from_neighbour = base is not None
    if base is None:
        base, bulge = _base_of_shape(points)
    apex = _farthest(points, base)
    # Pixels are areas: the chamber extends half a pixel beyond the centre of its last pixel.
    axis = LongAxis(base, apex, from_neighbour)
    reach = 0.5 * float(np.abs(axis.direction) @ np.asarray(spacing_mm))
    return LongAxis(base, apex + reach * axis.direction, from_neighbour, bulge)


def largest_part(mask: np.ndarray) -> tuple[np.ndarray, float]:
    """The largest connected part of a mask, and the share of the mask's area in its other parts."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 2:
        return mask.astype(bool), 0.0
    areas = stats[1:, cv2.CC_STAT_AREA]
    return parts == 1 + areas.argmax(), 1 - areas.max() / areas.sum()


def _farthest(points: np.ndarray, base: np.ndarray) -> np.ndarray:
    return points[((points - base) ** 2).sum(axis=1).argmax()]


def _border_with(mask: np.ndarray, neighbour: np.ndarray, spacing) -> np.ndarray | None:
    """The middle of the border with the neighbouring chamber; None if they are far apart."""
    from scipy.spatial import cKDTree

    chamber, other = (border(m) * spacing for m in (mask, neighbour))
    distances, nearest = cKDTree(other).query(chamber)
    # A valve of a few millimetres may be between the chambers. If they are farther apart, the
    # other mask does not touch this chamber.
    gap_width = distances.min()
    if gap_width > 0.15 * np.ptp(chamber, axis=0).max() + 2 * max(spacing):
        return None
    touching = distances <= gap_width + 1.5 * max(spacing)
    edge = (chamber[touching] + other[nearest[touching]]) / 2  # half-way across the valve
    ends = _ends(edge)
    middle = ends.mean(axis=0)
    # The base is on this chamber's side of the valve.
    inside = chamber[((chamber - middle) ** 2).sum(axis=1).argmin()]
    outwards = middle - inside
    gap = np.linalg.norm(outwards)
    half_pixel = 0.5 * max(spacing)
    return inside + outwards * min(1.0, half_pixel / gap) if gap > 0 else inside


def _ends(points: np.ndarray) -> np.ndarray:
    """The two ends of a line of points: its extreme points along its main direction."""
    centred = points - points.mean(axis=0)
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    along = centred @ direction
    return points[[along.argmin(), along.argmax()]]


def _base_of_shape(points: np.ndarray) -> tuple[np.ndarray, float]:
    """The middle of the flat, wide end of a shape, and the bulge of that end.

    The principal axis gives the two ends; the wider end is the base, or the flatter one if both are
    equally wide.
    """
    centre = points.mean(axis=0)
    if len(points) < 3:
        return centre, 0.0
    across, along = np.linalg.eigh(np.cov((points - centre).T))[1].T  # eigenvalues ascend
    v, u = (points - centre) @ along, (points - centre) @ across
    width, other = _width(u, v, v.max()), _width(u, v, v.min())
    if abs(width - other) <= 1e-6 * width:  # the sign of an eigenvector is arbitrary
        ends = [_fit_base(points, centre, end) for end in (along, -along)]
        return min(ends, key=lambda end: abs(end[1]))
    return _fit_base(points, centre, along if width > other else -along)


def _fit_base(
    points: np.ndarray, centre: np.ndarray, along: np.ndarray
) -> tuple[np.ndarray, float]:
    """The middle of the end in direction `along`, and its bulge.

    The valve plane, which may be oblique, is a line through the outermost points of the end's
    middle part.
    """
    base, bulge = centre, 0.0
    for _ in range(3):  # turn the axis towards the middle of the base, and the plane with it
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
    """The centres of the intervals between edges, and the largest v in each; skips empty ones."""
    between = [(a, b, (u >= a) & (u < b)) for a, b in itertools.pairwise(edges)]
    maxima = [
        ((a + b) / 2, v[in_interval].max()) for a, b, in_interval in between if in_interval.any()
    ]
    centres, tops = np.array(maxima).reshape(-1, 2).T
    return centres, tops


def _width(u: np.ndarray, v: np.ndarray, end: float) -> float:
    near_end = np.abs(v - end) <= 0.12 * np.ptp(v)
    return float(np.ptp(u[near_end]))


def _span(u: np.ndarray, v: np.ndarray) -> tuple[float, float]:
    """The width of the base at 20% of the length, because its corners may be cut off."""
    near_base = v >= v.max() - 0.2 * np.ptp(v)
    return float(u[near_base].min()), float(u[near_base].max())
