"""Any kind of numbers as bytes; colours that are grey as one channel."""

import numpy as np


def to_uint8(frames: np.ndarray) -> np.ndarray:
    """Any kind of numbers to 0..255.

    uint8 is kept. Numbers that lie within 0..255, some above 1, are rounded. All else is stretched:
    the least of the clip becomes 0, the greatest 255. What is not finite counts as 0.
    """
    if frames.dtype == np.uint8:
        return frames
    if np.issubdtype(frames.dtype, np.inexact):
        frames = np.nan_to_num(frames, nan=0, posinf=0, neginf=0)
    if frames.min() >= 0 and 1 < frames.max() <= 255:
        return np.rint(frames).astype(np.uint8)
    low, high = float(frames.min()), float(frames.max())
    return ((frames - low) * (255 / max(high - low, 1e-12))).round().astype(np.uint8)


def one_channel_if_grey(frames: np.ndarray) -> np.ndarray:
    """One channel where all three are equal."""
    if frames.ndim == 4 and (frames == frames[..., :1]).all():
        frames = frames[..., 0]
    return np.ascontiguousarray(frames)


def looks_like_doppler(frames) -> bool:
    """Whether more than half a per cent of some frame is strongly coloured."""
    if frames.ndim != 4:
        return False
    picked = np.unique(np.linspace(0, min(len(frames), 300) - 1, 6).astype(int))
    return any((np.ptp(frames[index].astype(int), axis=-1) > 70).mean() > 0.005 for index in picked)
