"""What a cardiologist reads from masks: volumes, ejection fraction, end-diastole and end-systole.

Volumes follow the method of disks (Lang et al., "Recommendations for Cardiac Chamber
Quantification", JASE 2015, section 2.1): the chamber is cut across its long axis into 20 disks of
equal height, and each is taken to be round (one view) or elliptic (two views at right angles).

    one view   V = pi / 4 * sum d_i ** 2 * L / 20
    two views  V = pi / 4 * sum a_i * b_i * L / 20, L the longer of both axes

The diameter of a disk is the area of the mask within it, divided by its height.
"""

from dataclasses import dataclass

import numpy as np
from scipy import signal

from lgrseg.evaluation.long_axis import LongAxis, find_long_axis, largest_part

NUM_DISKS = 20


@dataclass(frozen=True)
class Chamber:
    """One chamber in one view."""

    area_mm2: float
    axis: LongAxis
    diameters_mm: np.ndarray
    """(20,) from the base to the apex."""
    problems: tuple[str, ...] = ()
    """What makes the figures doubtful."""

    @property
    def volume_ml(self) -> float:
        """By disks, from this view alone."""
        height = self.axis.length / NUM_DISKS
        return float(np.pi / 4 * (self.diameters_mm**2).sum() * height / 1000)


def measure_chamber(
    mask: np.ndarray, spacing_mm: tuple[float, float], *, neighbour: np.ndarray | None = None
) -> Chamber | None:
    """Long axis and disks of a chamber.

    Args:
        mask: (H, W) bool.
        spacing_mm: of rows and of columns.
        neighbour: the chamber behind its valve (the left atrium for the left ventricle, and the
            other way round); its border with `mask` is the base. Without one, or where it is
            empty, the base is found from the shape.

    Returns:
        None for an empty mask.
    """
    if not mask.any():
        return None
    part, left_out = largest_part(mask)
    problems = [f"{left_out:.0%} of it lies in other parts"] if left_out > 0.02 else []
    axis = find_long_axis(part, spacing_mm, neighbour=neighbour)
    points = np.argwhere(part) * spacing_mm
    pixel = spacing_mm[0] * spacing_mm[1]
    along = (points - axis.base) @ axis.direction
    edges = np.linspace(0, axis.length, NUM_DISKS + 1)
    areas = _areas_between(along, edges, pixel, spread=_extent(axis.direction, spacing_mm))
    diameters = areas / max(axis.length / NUM_DISKS, 1e-9)
    if axis.length < 1.0 * diameters.max():
        problems.append("wider than long: the long axis may be wrong")
    if len(points) < 50:
        problems.append(f"only {len(points)} pixels")
    if part[[0, -1]].any() or part[:, [0, -1]].any():
        problems.append("cut off by the edge of the picture")
    return Chamber(len(points) * pixel, axis, diameters, tuple(problems))


def _extent(direction: np.ndarray, spacing: tuple[float, float]) -> float:
    """How far a pixel reaches along a direction."""
    return float(np.abs(direction) @ np.asarray(spacing))


def _areas_between(
    along: np.ndarray, edges: np.ndarray, pixel: float, *, spread: float
) -> np.ndarray:
    """The area of pixels at positions `along` in each interval; a pixel is `spread` long itself."""
    # The share of every pixel that lies below every edge, which makes disks of part of a pixel.
    below = np.clip((edges[:, None] - along) / spread + 0.5, 0, 1).sum(axis=1)
    return np.diff(below) * pixel


def biplane_volume(one: Chamber, other: Chamber) -> float:
    """Millilitres from two views at right angles, such as apical four- and two-chamber."""
    length = max(one.axis.length, other.axis.length)
    products = one.diameters_mm * other.diameters_mm
    return float(np.pi / 4 * products.sum() * length / NUM_DISKS / 1000)


def ejection_fraction(end_diastolic: float, end_systolic: float) -> float:
    """(EDV - ESV) / EDV of volumes, or the fractional change of areas; NaN without an EDV."""
    return (end_diastolic - end_systolic) / end_diastolic if end_diastolic > 0 else float("nan")


def find_beats(areas: np.ndarray) -> list[tuple[int, int]]:
    """End-diastole and the end-systole after it, for every beat, from the area of the ventricle.

    The curve is smoothed over a sixth of its strongest period; maxima and minima must stand out by
    a third of its range. A video too short for that has one beat, of its greatest area and its
    least one.

    Args:
        areas: (T,) of the left ventricle, in any unit; NaN where it was not seen.

    Returns:
        (frame of end-diastole, frame of end-systole), in order; none where no frame shows it.
    """
    areas = np.asarray(areas, float)
    seen = np.flatnonzero(np.isfinite(areas))
    if not len(seen):
        return []
    filled = np.interp(np.arange(len(areas)), seen, areas[seen])
    period = _period(filled)
    if period is not None:
        smooth = _smooth(filled, max(1, round(period / 6)))
        stand_out = (smooth.max() - smooth.min()) / 3
        # A beat may begin or end with the recording: mirrored ends let extremes be there.
        mirrored = np.pad(smooth, len(smooth) - 1, mode="reflect")
        maxima = _inner(signal.find_peaks(mirrored, prominence=stand_out)[0], len(smooth))
        minima = _inner(signal.find_peaks(-mirrored, prominence=stand_out)[0], len(smooth))
        beats = []
        for number, start in enumerate(maxima):
            stop = maxima[number + 1] if number + 1 < len(maxima) else len(smooth)
            later = [minimum for minimum in minima if start < minimum < stop]
            if later:
                beats.append((int(start), int(later[0])))
        if beats:
            return beats
    return [(int(np.nanargmax(areas)), int(np.nanargmin(areas)))]


def _inner(peaks: np.ndarray, length: int) -> np.ndarray:
    peaks = peaks - (length - 1)
    return peaks[(peaks >= 0) & (peaks < length)]


def _period(areas: np.ndarray) -> float | None:
    """Frames of a beat, by autocorrelation; None where there is no full one."""
    centred = areas - areas.mean()
    power = (centred**2).sum()
    if len(areas) < 6 or power == 0:
        return None
    lags = np.correlate(centred, centred, mode="full")[len(areas) - 1 :] / power
    lags = lags * len(areas) / (len(areas) - np.arange(len(areas)))  # the same for every lag
    usable = lags[: max(3, len(areas) * 3 // 4)]
    peaks, _ = signal.find_peaks(usable, height=0.3)
    return float(peaks[0]) if len(peaks) else None


def _smooth(values: np.ndarray, width: int) -> np.ndarray:
    width += 1 - width % 2  # odd
    padded = np.pad(values, width // 2, mode="edge")
    return np.convolve(padded, np.ones(width) / width, mode="valid")
