"""Converts numbers of any type to uint8, with one scale for all frames of a clip."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

TAIL = 0.05
"""Percentage of values at either end that may be outliers: hot and dead pixels."""
SAMPLES = 2**22
"""Number of values of a clip from which percentiles are computed."""
LEVELS = 64
"""Fractional values within 0..255 are grey levels already if the largest is at least this."""
Frames = Callable[[], Iterable[np.ndarray]]
"""Function that gives the frames of a clip, at every call from the first one."""


@dataclass
class GreyScale:
    """Maps `low` to 0 and `high` to 255 with clipping; NaN and infinity become 0."""

    low: float
    high: float

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Convert numbers to uint8 of the same shape."""
        if frame.dtype == np.uint8 and (self.low, self.high) == (0, 255):
            return frame
        values = frame.astype(np.float64)
        finite = np.isfinite(values)
        if not finite.all():
            values = np.where(finite, values, self.low)
        width = max(self.high - self.low, np.finfo(float).tiny)
        return np.rint(np.clip((values - self.low) / width, 0, 1) * 255).astype(np.uint8)


def grey_scale(frames: Iterable[np.ndarray], num_frames: int) -> GreyScale:
    """Choose the scale of a clip by its numbers.

    uint8 is unchanged. Integers within 0..255 of which some are above 1 are unchanged too, and so
    are fractions within 0..255 whose maximum is at least LEVELS. All others are stretched: the
    minimum of the clip becomes 0, the maximum 255. Up to TAIL per cent at either end are clipped if
    their distance from the other values is larger than the range of those: otherwise one hot pixel
    would make the clip black.

    Args:
        frames: all frames of the clip, of any type and shape.
        num_frames: approximate number of frames.
    """
    least, greatest, all_whole, sample = np.inf, -np.inf, True, []
    for frame in frames:
        if frame.dtype == np.uint8:
            return GreyScale(0, 255)
        values = frame[np.isfinite(frame)]
        if not values.size:
            continue
        least, greatest = min(least, float(values.min())), max(greatest, float(values.max()))
        all_whole = all_whole and (
            values.dtype.kind in "biu" or bool((values == np.rint(values)).all())
        )
        # The step is odd, because an even one would sample the same columns of every row.
        step = values.size * num_frames // SAMPLES | 1
        sample.append(values[::step].astype(np.float64))
    if not sample:
        return GreyScale(0, 255)
    if least >= 0 and greatest <= 255 and (greatest > 1 if all_whole else greatest >= LEVELS):
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
    """Convert an array of any numbers to uint8, see `grey_scale`."""
    return grey_scale([frames], 1)(frames)


def as_bytes(frames: Frames, num_frames: int) -> Frames:
    """Convert frames to uint8 with one scale; reads all frames once to find the scale.

    Args:
        frames: function that gives the frames, of any numbers.
        num_frames: approximate number of frames.
    """
    scale = grey_scale(frames(), num_frames)

    def scaled() -> Iterator[np.ndarray]:
        return map(scale, frames())

    return scaled


def is_grey(frame: np.ndarray) -> bool:
    """True if a frame has one channel, or three equal channels."""
    return frame.ndim == 2 or bool(
        (frame[..., 0] == frame[..., 1]).all() and (frame[..., 0] == frame[..., 2]).all()
    )


def looks_like_doppler(frames) -> bool:
    """True if more than 0.5% of the middle of any frame is strongly coloured.

    The middle is three fifths of the height and of the width. Around it, machines draw coloured
    text, bars and the line of the ECG.
    """
    if frames.ndim != 4:
        return False
    top, left = frames.shape[1] // 5, frames.shape[2] // 5
    picked = np.unique(np.linspace(0, min(len(frames), 300) - 1, 6).astype(int))
    middles = (
        frames[index][top : frames.shape[1] - top, left : frames.shape[2] - left]
        for index in picked
    )
    return any((np.ptp(middle.astype(int), axis=-1) > 70).mean() > 0.005 for middle in middles)
