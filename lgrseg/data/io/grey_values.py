"""Any kind of numbers as bytes, by one rule for all frames of a clip."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

TAIL = 0.05
"""Per cent of the values at either end that may lie far outside the rest: hot and dead pixels."""
SAMPLES = 2**22
"""Values of a clip that are looked at for its percentiles."""
LEVELS = 64
"""Fractions within 0..255 are grey levels already where the greatest is at least this."""
Frames = Callable[[], Iterable[np.ndarray]]
"""The frames of a clip from the first one on, at every call."""


@dataclass
class GreyScale:
    """Maps `low` to 0 and `high` to 255, both ends clipped; what is not finite becomes 0."""

    low: float
    high: float

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Any numbers as uint8 of the same shape."""
        if frame.dtype == np.uint8 and (self.low, self.high) == (0, 255):
            return frame
        values = frame.astype(np.float64)
        finite = np.isfinite(values)
        if not finite.all():
            values = np.where(finite, values, self.low)
        width = max(self.high - self.low, np.finfo(float).tiny)
        return np.rint(np.clip((values - self.low) / width, 0, 1) * 255).astype(np.uint8)


def grey_scale(frames: Iterable[np.ndarray], num_frames: int) -> GreyScale:
    """The scale for a clip, by the type of its numbers.

    uint8 is kept. So are whole numbers within 0..255, some above 1, of any type, and fractions
    within 0..255 whose greatest is at least LEVELS. All else is stretched: the least of the clip
    becomes 0, the greatest 255. Up to TAIL per cent at either end are clipped where they lie
    farther from the rest than that is wide, so that one hot pixel does not make a clip black.

    Args:
        frames: all frames of the clip, of any numbers and shape.
        num_frames: how many they are, about.
    """
    least, greatest, whole, sample = np.inf, -np.inf, True, []
    for frame in frames:
        if frame.dtype == np.uint8:
            return GreyScale(0, 255)
        values = frame[np.isfinite(frame)]
        if not values.size:
            continue
        least, greatest = min(least, float(values.min())), max(greatest, float(values.max()))
        whole = whole and (values.dtype.kind in "biu" or bool((values == np.rint(values)).all()))
        # An odd step, since an even one would meet the same columns of every row.
        step = values.size * num_frames // SAMPLES | 1
        sample.append(values[::step].astype(np.float64))
    if not sample:
        return GreyScale(0, 255)
    if least >= 0 and greatest <= 255 and (greatest > 1 if whole else greatest >= LEVELS):
        return GreyScale(0, 255)
    return GreyScale(*_without_outliers(least, greatest, np.concatenate(sample)))


def _without_outliers(least: float, greatest: float, sample: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(sample, (TAIL, 100 - TAIL), method="nearest")
    if (width := float(high - low)) <= 0:
        return least, greatest
    return (
        float(low) if low - least > width else least,
        float(high) if greatest - high > width else greatest,
    )


def to_uint8(frames: np.ndarray) -> np.ndarray:
    """An array of any numbers as bytes: see `grey_scale`."""
    return grey_scale([frames], 1)(frames)


def as_bytes(frames: Frames, num_frames: int) -> Frames:
    """The same frames as uint8, all by one scale; they are gone through once to find it.

    Args:
        frames: any numbers.
        num_frames: how many they are, about.
    """
    scale = grey_scale(frames(), num_frames)

    def scaled() -> Iterator[np.ndarray]:
        return map(scale, frames())

    return scaled


def is_grey(frame: np.ndarray) -> bool:
    """Whether a frame has one channel, or three that are equal everywhere."""
    return frame.ndim == 2 or bool(
        (frame[..., 0] == frame[..., 1]).all() and (frame[..., 0] == frame[..., 2]).all()
    )


def looks_like_doppler(frames) -> bool:
    """Whether more than half a per cent of some frame is strongly coloured."""
    if frames.ndim != 4:
        return False
    picked = np.unique(np.linspace(0, min(len(frames), 300) - 1, 6).astype(int))
    return any((np.ptp(frames[index].astype(int), axis=-1) > 70).mean() > 0.005 for index in picked)
