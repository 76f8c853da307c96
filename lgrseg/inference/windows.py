"""How a video of any length is cut into clips; every frame is predicted by one of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from omegaconf import DictConfig

from lgrseg.config import instantiate
from lgrseg.data.frame_sampling import WholeVideoSampler

WHOLE_VIDEO_WINDOW = 11
"""Frames of a window where test clips are whole videos, which can be too long for the memory."""


class Window(NamedTuple):
    """The frames of one clip of a video, and those whose prediction is used."""

    near: range
    """Consecutive frames."""
    far: list[int]
    """Others, from anywhere else in the video."""
    kept: range
    """Part of `near`."""

    @property
    def indices(self) -> list[int]:
        """All, in temporal order."""
        return sorted([*self.near, *self.far])


def windows(length: int, num_frames: int, num_far: int = 0) -> list[Window]:
    """Windows over a video; every frame is kept once, by the window whose middle is nearest.

    Raises:
        ValueError: far frames leave no room for near ones.
    """
    if not 0 <= num_far < num_frames:
        raise ValueError(f"num_far={num_far} is 0 to {num_frames - 1} in windows of {num_frames}")
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
    """The frames of a window, in temporal order; neighbours in one go, as a movie is decoded."""
    found = dict(zip(window.near, frames[window.near.start : window.near.stop], strict=True))
    found |= {index: frames[index : index + 1][0] for index in window.far}
    return [found[index] for index in window.indices]


def window_of(mapper: DictConfig) -> dict[str, int]:
    """`num_frames` and `num_far` of inference windows, as the config's test clips have them.

    Where clips are whole videos windows have `WHOLE_VIDEO_WINDOW` frames.

    Raises:
        ValueError: the mapper's sampler does not say how many frames its clips have.
    """
    if mapper.get("frame_sampler") is None:
        raise ValueError(
            f"{mapper.get('_target_')} has no frame_sampler, so nothing says how many frames a "
            "window of a whole video has; take lgrseg.data.ClipMapper for test clips"
        )
    sampler = instantiate(mapper.frame_sampler)
    if isinstance(sampler, WholeVideoSampler):
        return {"num_frames": WHOLE_VIDEO_WINDOW, "num_far": 0}
    num_frames = getattr(sampler, "num_frames", None)
    if not isinstance(num_frames, int) or num_frames < 1:
        raise ValueError(
            f"{type(sampler).__name__}.num_frames is {num_frames!r}: a sampler of test clips needs "
            "an attribute num_frames, 1 or more, which is also the length of the windows that "
            "whole videos are predicted in; DenseSampler and HybridSampler have it"
        )
    return {"num_frames": num_frames, "num_far": getattr(sampler, "num_far", 0)}
