"""Finds heart beats (end-diastole, end-systole) in the area curve of the left ventricle.

A recording can begin and end at any moment of the heart cycle. If it cuts a beat, its largest area
may not be the end-diastolic area, or its smallest area not the end-systolic one. The ejection
fraction is then too low. An extreme at an end of the recording is therefore trusted only if
extremes inside the recording are not more extreme, or if the frame is labelled.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy  # which loads scipy.signal when it is first used; that takes a second

TOLERANCE = 0.05
"""Tolerated difference between extremes inside and at an end, as a fraction of the area range."""


@dataclass(frozen=True)
class Beat:
    """One heart beat."""

    ed: int
    """Frame of end-diastole."""
    es: int
    """Frame of end-systole."""
    problems: tuple[str, ...] = ()
    """Reasons why the beat may not be recorded completely."""


def find_beats(
    areas: np.ndarray, *, ed_frame: int | None = None, es_frame: int | None = None
) -> list[Beat]:
    """Find end-diastole and the following end-systole of every beat in the area of the ventricle.

    The curve is smoothed over a quarter of its strongest period. Maxima and minima must have a
    prominence of a third of its range. A video that is too short for this has one beat: from its
    largest to its smallest area. If only two frames have an area, these are the two phases.

    Args:
        areas: (T,) areas of the left ventricle, in any unit; NaN where it is not visible.
        ed_frame: a frame labelled as end-diastole, if there is one.
        es_frame: a frame labelled as end-systole, if there is one.

    Returns:
        The beats in order; an empty list if fewer than two frames show the ventricle.
    """
    areas = np.asarray(areas, float)
    visible = np.flatnonzero(np.isfinite(areas))
    if len(visible) < 2:
        return []
    largest, smallest = int(np.nanargmax(areas)), int(np.nanargmin(areas))
    if len(visible) == 2 and largest != smallest:
        return [Beat(largest, smallest)]
    curve = _curve(areas, visible)
    pairs = _pairs(curve.maxima, curve.minima) or [(largest, smallest)]
    return [
        Beat(
            curve.nearest_visible(ed),
            curve.nearest_visible(es),
            (() if ed < es else ("no end-systole after the end-diastole",))
            + curve.doubts("ED", ed, ed_frame, sign=1)
            + curve.doubts("ES", es, es_frame, sign=-1),
        )
        for ed, es in pairs
    ]


@dataclass(frozen=True)
class _Curve:
    """The area over time, smoothed."""

    areas: np.ndarray
    """(T,) areas; interpolated linearly where the ventricle is not visible."""
    visible: np.ndarray
    """Indices of the frames that show the ventricle, in order."""
    maxima: list[int]
    """Frames of the prominent maxima."""
    minima: list[int]
    """Frames of the prominent minima."""
    margin: int
    """Number of frames at each end in which an extreme may not be the true one."""

    def nearest_visible(self, frame: int) -> int:
        return int(self.visible[np.abs(self.visible - frame).argmin()])

    def doubts(self, name: str, frame: int, labelled: int | None, *, sign: int) -> tuple[str, ...]:
        """Reasons to doubt an extreme; `sign` is 1 for a maximum and -1 for a minimum."""
        end = self._end_near(frame)
        if not end or (labelled is not None and abs(labelled - frame) <= self.margin):
            return ()
        extremes = self.maxima if sign > 0 else self.minima
        if inside := [other for other in extremes if not self._end_near(other)]:
            further = np.median(sign * self.areas[inside]) - sign * self.areas[frame]
            if further <= TOLERANCE * np.ptp(self.areas):
                return ()
        return (f"{name} may lie {end}",)

    def _end_near(self, frame: int) -> str:
        """Describe the end of the recording, or the gap in it, within the margin; "" if none is."""
        if frame - self.visible[0] <= self.margin:
            return "before the recording"
        if self.visible[-1] - frame <= self.margin:
            return "after the recording"
        gaps = np.diff(self.visible) > self.margin + 1
        beside = np.concatenate([self.visible[:-1][gaps], self.visible[1:][gaps]])
        is_near = (np.abs(beside - frame) <= self.margin).any()
        return "where the ventricle was not seen" if is_near else ""


def _curve(areas: np.ndarray, visible: np.ndarray) -> _Curve:
    filled = np.interp(np.arange(len(areas)), visible, areas[visible])
    recorded = filled[visible[0] : visible[-1] + 1]
    period = _period(recorded)
    if period is None:
        return _Curve(filled, visible, [], [], max(1, len(recorded) // 12))
    width = max(5, 1 + 2 * round((period / 4 - 1) / 2))  # odd
    # Parabolas do not flatten extremes, as a mean would.
    recorded[:] = scipy.signal.savgol_filter(recorded, width, polyorder=2)
    maxima, minima = ((_peaks(sign * recorded) + visible[0]).tolist() for sign in (1, -1))
    return _Curve(filled, visible, maxima, minima, width // 2)


def _peaks(curve: np.ndarray) -> np.ndarray:
    """Maxima with a prominence of at least a third of the range."""
    # The signal is mirrored at both ends, so that a peak on the first or last frame is found too.
    padding = len(curve) - 1
    mirrored = np.pad(curve, padding, mode="reflect")
    peaks = scipy.signal.find_peaks(mirrored, prominence=np.ptp(curve) / 3)[0] - padding
    return peaks[(peaks >= 0) & (peaks < len(curve))]


def _pairs(maxima: list[int], minima: list[int]) -> list[tuple[int, int]]:
    """Pair every maximum with the first minimum before the next maximum."""
    pairs = []
    for start, stop in zip(maxima, [*maxima[1:], math.inf], strict=False):
        later = [minimum for minimum in minima if start < minimum < stop]
        if later:
            pairs.append((start, later[0]))
    return pairs


def _period(areas: np.ndarray) -> float | None:
    """Number of frames of one beat, by autocorrelation; None if no complete beat is recorded."""
    centred = areas - areas.mean()
    power = (centred**2).sum()
    if len(areas) < 6 or power == 0:
        return None
    lags = np.correlate(centred, centred, mode="full")[len(areas) - 1 :] / power
    lags = lags * len(areas) / (len(areas) - np.arange(len(areas)))  # equal weight for every lag
    usable = lags[: max(3, len(areas) * 3 // 4)]
    peaks, _ = scipy.signal.find_peaks(usable, height=0.3)
    return float(peaks[0]) if len(peaks) else None
