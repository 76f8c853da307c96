"""Volumes and ejection fraction from masks.

Volumes follow the method of disks (Lang et al., "Recommendations for Cardiac Chamber
Quantification", JASE 2015, section 2.1): the chamber is cut across its long axis into 20 disks of
equal height. Each disk is assumed to be round (one view) or elliptic (two views at right angles).

    one view   V = pi / 4 * sum d_i ** 2 * L / 20
    two views  V = pi / 4 * sum a_i * b_i * L / 20, L the longer of both axes

The diameter of a disk is the area of the mask within it, divided by its height.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from lgrseg.evaluation.clinical.long_axis import LongAxis, find_long_axis, largest_part
from lgrseg.evaluation.metrics.surface import border

NUM_DISKS = 20
LARGEST_BULGE = 0.03
"""Largest bulge of a base found from the shape. On truncated ellipsoids it is below this value if
the volume is within 8%, and reaches 0.04 if the side was mistaken for the base."""
LARGEST_SHARE_BEYOND = 0.03
"""Largest share of a chamber's area beyond the base; the volume is too low by about twice that."""

LARGEST_SHARE_OF_HOLES = 0.02
"""Largest share of holes in the area within a chamber's outline; the volume is too low by about
twice that, or more."""

LARGEST_SHARE_AT_EDGE = 0.1
"""Largest share of a chamber's border at the edge of the fan; above it, the chamber is cut off."""


@dataclass(frozen=True)
class Chamber:
    """One chamber in one view."""

    area_mm2: float
    axis: LongAxis
    diameters_mm: np.ndarray
    """(20,) diameters of the disks, from the base to the apex."""
    problems: tuple[str, ...] = ()
    """Reasons to doubt the measured values."""

    @property
    def volume_ml(self) -> float:
        """Volume in millilitres by the method of disks, from this view alone."""
        height = self.axis.length / NUM_DISKS
        return float(np.pi / 4 * (self.diameters_mm**2).sum() * height / 1000)


def measure_chamber(
    mask: np.ndarray,
    spacing_mm: tuple[float, float],
    *,
    neighbour: np.ndarray | None = None,
    fan: np.ndarray | None = None,
) -> Chamber | None:
    """Measure the long axis and the disks of a chamber.

    Args:
        mask: (H, W) bool.
        spacing_mm: millimetres per pixel, (row, column).
        neighbour: (H, W) bool mask of the chamber behind the valve (the left atrium for the left
            ventricle, and vice versa); its border with `mask` is the base. Without a neighbour,
            or if it is empty, the base is found from the shape.
        fan: (H, W) bool mask of the ultrasound fan; a chamber at its edge is reported as a problem.

    Returns:
        The measured chamber; None for an empty mask.
    """
    if not mask.any():
        return None
    part, left_out = largest_part(mask)
    axis = find_long_axis(part, spacing_mm, neighbour=neighbour)
    points = np.argwhere(part) * spacing_mm
    pixel = spacing_mm[0] * spacing_mm[1]
    along = (points - axis.base) @ axis.direction
    edges = np.linspace(0, axis.length, NUM_DISKS + 1)
    areas = _areas_between(along, edges, pixel, spread=_extent(axis.direction, spacing_mm))
    diameters = areas / max(axis.length / NUM_DISKS, 1e-9)
    problems = _problems_of_mask(part, left_out)
    if fan is not None and share_at_edge(part, fan) > LARGEST_SHARE_AT_EDGE:
        problems.append("cut off by the edge of the fan")
    if neighbour is not None and not axis.from_neighbour:
        problems.append("the chamber behind its valve is missing, so its base is estimated")
    problems += _problems_of_axis(axis, diameters.max(), 1 - areas.sum() / (len(points) * pixel))
    return Chamber(len(points) * pixel, axis, diameters, tuple(problems))


def _problems_of_mask(part: np.ndarray, left_out: float) -> list[str]:
    problems = [f"{left_out:.0%} of its area is in other parts"] if left_out > 0.02 else []
    if (share := _share_of_holes(part)) > LARGEST_SHARE_OF_HOLES:
        problems.append(f"holes of {share:.0%} of its area: volume too low")
    if (pixels := int(part.sum())) < 50:
        problems.append(f"only {pixels} pixels")
    if part[[0, -1]].any() or part[:, [0, -1]].any():
        problems.append("cut off by the edge of the picture")
    return problems


def share_at_edge(mask: np.ndarray, fan: np.ndarray) -> float:
    """The share of a mask's border that is within two pixels of the fan's edge, 0 to 1."""
    rows, columns = border(mask).astype(int).T
    outside = np.pad(~fan, 1, constant_values=True).astype(np.uint8)
    near_edge = cv2.dilate(outside, np.ones((5, 5), np.uint8))[1:-1, 1:-1]
    return float(near_edge[rows, columns].mean()) if len(rows) else 0.0


def _share_of_holes(part: np.ndarray) -> float:
    """The area of the holes in a part, as a share of the area within its outline."""
    outlines, _ = cv2.findContours(
        part.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    filled = cv2.drawContours(np.zeros(part.shape, np.uint8), outlines, -1, (1,), cv2.FILLED)
    return 1 - float(part.sum() / filled.sum())


def _problems_of_axis(axis: LongAxis, width: float, beyond: float) -> list[str]:
    """Reasons why volumes around this axis may be wrong.

    Args:
        axis: long axis of the chamber.
        width: largest diameter of the chamber, in mm.
        beyond: share of the chamber's area beyond the ends of the axis, 0 to 1.
    """
    problems = []
    if axis.length < width:
        ratio = width / max(axis.length, 1e-9)
        problems.append(f"{ratio:.2f} times as wide as long, the long axis may be wrong")
    if axis.bulge > LARGEST_BULGE:
        problems.append(f"no flat base (it bulges by {axis.bulge:.0%}), the long axis may be wrong")
    if beyond > LARGEST_SHARE_BEYOND:
        problems.append(f"{beyond:.0%} of it is beyond its base, which is tilted: volume too low")
    return problems


def _extent(direction: np.ndarray, spacing: tuple[float, float]) -> float:
    """Extent of a pixel along a direction, in millimetres."""
    return float(np.abs(direction) @ np.asarray(spacing))


def _areas_between(
    along: np.ndarray, edges: np.ndarray, pixel: float, *, spread: float
) -> np.ndarray:
    """The area of pixels at positions `along` in each interval; a pixel has the length `spread`."""
    # Share of every pixel below every edge, so that a disk can contain parts of pixels.
    below = np.clip((edges[:, None] - along) / spread + 0.5, 0, 1).sum(axis=1)
    return np.diff(below) * pixel


def biplane_volume(one: Chamber, other: Chamber) -> float:
    """Volume in millilitres from two orthogonal views, such as apical four- and two-chamber."""
    length = max(one.axis.length, other.axis.length)
    products = one.diameters_mm * other.diameters_mm
    return float(np.pi / 4 * products.sum() * length / NUM_DISKS / 1000)


def ejection_fraction(end_diastolic: float, end_systolic: float) -> float:
    """(EDV - ESV) / EDV of volumes, or the fractional change of areas, 0 to 1.

    NaN if it is undefined: without an EDV, or if the ESV is larger.
    """
    if not 0 <= end_systolic <= end_diastolic or end_diastolic == 0:
        return float("nan")
    return (end_diastolic - end_systolic) / end_diastolic


def impossible_change(end_diastolic: float, end_systolic: float) -> list[str]:
    """Problem text if the end-systolic volume is larger than the end-diastolic one; else empty."""
    if not end_systolic > end_diastolic:
        return []
    ratio = end_systolic / max(end_diastolic, 1e-9)
    return [f"{ratio:.3g} times as large at ES as at ED, which is impossible"]
