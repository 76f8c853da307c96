"""Cuts a video of any length into clips; the prediction of every frame comes from one of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from omegaconf import DictConfig

from lgrseg.config import instantiate
from lgrseg.data.frame_sampling import WholeVideoSampler

WHOLE_VIDEO_WINDOW = 11
"""Frames of a window if test clips are whole videos, which can be too long for the memory."""


class Window(NamedTuple):
    """The frames of one clip of a video, and those whose prediction is used."""

    near: range
    """Consecutive frames."""
    far: list[int]
    """Frames from the rest of the video."""
    kept: range
    """Part of `near`: the frames whose prediction is used."""

    @property
    def indices(self) -> list[int]:
        """All frames, in temporal order."""
        return sorted([*self.near, *self.far])


def windows(length: int, num_frames: int, num_far: int = 0) -> list[Window]:
    """Make windows over a video; every frame is kept by the window whose middle is nearest.

    Args:
        length: number of frames of the video.
        num_frames: number of frames in a window.
        num_far: number of these frames that come from the rest of the video.

    Raises:
        ValueError: `num_far` is not below `num_frames`.
    """
    if not 0 <= num_far < num_frames:
        raise ValueError(
            f"num_far={num_far} must be 0 to {num_frames - 1} in windows of {num_frames} frames"
        )
    if length <= num_frames:
        return [Window(range(length), [], range(length))]
    num_near = num_frames - num_far
    step = max(1, num_near // 2)
    starts = [*range(0, length - num_near, step), length - num_near]
    # Half-way between two neighbouring middles, rounded up: a tie goes to the earlier window.
    cuts = [(a + b + num_near) // 2 for a, b in zip(starts, starts[1:], strict=False)]
    kept = zip([0, *cuts], [*cuts, length], strict=True)
    return [
        Window(range(s, s + num_near), _spread(s, s + num_near, length, num_far), range(*ends))
        for s, ends in zip(starts, kept, strict=True)
    ]


def _spread(start: int, stop: int, length: int, count: int) -> list[int]:
    """The middles of `count` equal parts of a video without its frames start to stop - 1."""
    rest = length - (stop - start)
    middles = [(2 * part + 1) * rest // (2 * count) for part in range(count)]
    return [middle if middle < start else middle + stop - start for middle in middles]


def read_window(frames: Sequence[np.ndarray], window: Window) -> list[np.ndarray]:
    """Read the frames of a window in temporal order.

    Consecutive frames are read together, because movies are decoded in order.
    """
    found = dict(zip(window.near, frames[window.near.start : window.near.stop], strict=True))
    found |= {index: frames[index : index + 1][0] for index in window.far}
    return [found[index] for index in window.indices]


def window_of(mapper: DictConfig) -> dict[str, int]:
    """Get `num_frames` and `num_far` of inference windows from the mapper of the test clips.

    If test clips are whole videos, windows have `WHOLE_VIDEO_WINDOW` frames.

    Raises:
        ValueError: the mapper has no sampler, or its sampler has no number of frames.
    """
    if mapper.get("frame_sampler") is None:
        raise ValueError(
            f"{mapper.get('_target_')} has no frame_sampler, so the number of frames in a window "
            "of a whole video is unknown; use lgrseg.data.ClipMapper for test clips"
        )
    sampler = instantiate(mapper.frame_sampler)
    if isinstance(sampler, WholeVideoSampler):
        return {"num_frames": WHOLE_VIDEO_WINDOW, "num_far": 0}
    num_frames = getattr(sampler, "num_frames", None)
    if not isinstance(num_frames, int) or num_frames < 1:
        raise ValueError(
            f"{type(sampler).__name__}.num_frames is {num_frames!r}: a sampler of test clips needs "
            "an attribute num_frames of 1 or more, which is also the length of the windows for "
            "whole videos; DenseSampler and HybridSampler have it"
        )
    return {"num_frames": num_frames, "num_far": getattr(sampler, "num_far", 0)}
