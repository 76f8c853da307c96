"""Heart beats in the area curve of the left ventricle: end-diastole and end-systole of each.

A recording begins and ends at any moment. Where it cuts a beat, the largest area that was recorded
is not that of end-diastole, or the least one not that of end-systole, and the ejection fraction
comes out too low. An extreme at an end of the recording therefore counts only where something shows
that it is the true one: the extremes inside the recording, which reach no further, or a label.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import signal

TOLERANCE = 0.05
"""How much further the extremes inside may reach than one at an end, as part of the range."""


@dataclass(frozen=True)
class Beat:
    """One heart beat."""

    ed: int
    """Frame of end-diastole."""
    es: int
    """Frame of end-systole."""
    problems: tuple[str, ...] = ()
    """Why it may not be a whole one."""


def find_beats(
    areas: np.ndarray, *, ed_frame: int | None = None, es_frame: int | None = None
) -> list[Beat]:
    """End-diastole and the end-systole after it, for every beat, from the area of the ventricle.

    The curve is smoothed over a quarter of its strongest period; maxima and minima must stand out
    by a third of its range. A video too short for that has one beat, of its greatest area and its
    least one. Two frames are phases that somebody chose, not a recording that cuts beats.

    Args:
        areas: (T,) of the left ventricle, in any unit; NaN where it was not seen.
        ed_frame: a frame labelled as end-diastole, if there is one.
        es_frame: likewise of end-systole.

    Returns:
        The beats in order; none where fewer than two frames show the ventricle.
    """
    areas = np.asarray(areas, float)
    seen = np.flatnonzero(np.isfinite(areas))
    if len(seen) < 2:
        return []
    largest, least = int(np.nanargmax(areas)), int(np.nanargmin(areas))
    if len(seen) == 2 and largest != least:
        return [Beat(largest, least)]
    curve = _curve(areas, seen)
    pairs = _pairs(curve.maxima, curve.minima) or [(largest, least)]
    return [
        Beat(
            curve.nearest_seen(ed),
            curve.nearest_seen(es),
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
    """(T,), straight lines where the ventricle was not seen."""
    seen: np.ndarray
    """Frames that show the ventricle, in order."""
    maxima: list[int]
    """Frames of those that stand out."""
    minima: list[int]
    """Likewise."""
    margin: int
    """An extreme so many frames from an end may belong to a larger one outside."""

    def nearest_seen(self, frame: int) -> int:
        return int(self.seen[np.abs(self.seen - frame).argmin()])

    def doubts(self, name: str, frame: int, labelled: int | None, *, sign: int) -> tuple[str, ...]:
        """Why an extreme may not be the true one; `sign` is 1 of a maximum and -1 of a minimum."""
        place = self._end_near(frame)
        if not place or (labelled is not None and abs(labelled - frame) <= self.margin):
            return ()
        extremes = self.maxima if sign > 0 else self.minima
        if inside := [other for other in extremes if not self._end_near(other)]:
            further = np.median(sign * self.areas[inside]) - sign * self.areas[frame]
            if further <= TOLERANCE * np.ptp(self.areas):
                return ()
        return (f"{name} may lie {place}",)

    def _end_near(self, frame: int) -> str:
        """The end of the recording, or of a gap in it, that is within the margin; "" for none."""
        if frame - self.seen[0] <= self.margin:
            return "before the recording"
        if self.seen[-1] - frame <= self.margin:
            return "after the recording"
        gaps = np.diff(self.seen) > self.margin + 1
        beside = np.concatenate([self.seen[:-1][gaps], self.seen[1:][gaps]])
        near = (np.abs(beside - frame) <= self.margin).any()
        return "where the ventricle was not seen" if near else ""


def _curve(areas: np.ndarray, seen: np.ndarray) -> _Curve:
    filled = np.interp(np.arange(len(areas)), seen, areas[seen])
    recorded = filled[seen[0] : seen[-1] + 1]
    period = _period(recorded)
    if period is None:
        return _Curve(filled, seen, [], [], max(1, len(recorded) // 12))
    width = max(5, 1 + 2 * round((period / 4 - 1) / 2))  # odd
    # Parabolas do not flatten extremes, as a mean would.
    recorded[:] = signal.savgol_filter(recorded, width, polyorder=2)
    maxima, minima = ((_peaks(sign * recorded) + seen[0]).tolist() for sign in (1, -1))
    return _Curve(filled, seen, maxima, minima, width // 2)


def _peaks(curve: np.ndarray) -> np.ndarray:
    """Maxima that stand out by a third of the range."""
    # A recording may begin or end with one: mirrored ends let it be found there.
    before = len(curve) - 1
    mirrored = np.pad(curve, before, mode="reflect")
    peaks = signal.find_peaks(mirrored, prominence=np.ptp(curve) / 3)[0] - before
    return peaks[(peaks >= 0) & (peaks < len(curve))]


def _pairs(maxima: list[int], minima: list[int]) -> list[tuple[int, int]]:
    """Every maximum with the first minimum between it and the next one."""
    pairs = []
    for start, stop in itertools.pairwise([*maxima, np.inf]):
        later = [minimum for minimum in minima if start < minimum < stop]
        if later:
            pairs.append((start, later[0]))
    return pairs


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
