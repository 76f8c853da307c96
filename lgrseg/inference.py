"""Prediction of whole videos of any length, window by window, with bounded memory."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from lgrseg.data.mapper import resize_frames, to_tensor
from lgrseg.structures import Clip, Geometry


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


def predict_frames(
    model: torch.nn.Module,
    frames: Sequence[np.ndarray],
    geometry: Geometry,
    *,
    num_frames: int = 11,
    num_far: int = 0,
    video_id: str = "",
) -> Iterator[tuple[int, np.ndarray]]:
    """Masks of every frame, in order.

    Windows of consecutive frames overlap by half; a frame is predicted by the window in whose
    middle it is nearest. Only one window is held at a time, so `frames` may be a memory map.

    Args:
        model: takes a list of clips, gives a list of ClipPrediction; it is put into eval mode.
        frames: T frames (H, W) or (H, W, 3) uint8, cropped to geometry.crop_box.
        geometry: says how to come back to the original frame.
        num_frames: length of a window; a shorter video is one window.
        num_far: how many of them come from the rest of the video, evenly spread, as in clips of
            hybrid temporal sampling; 0 for dense windows.
        video_id: goes into the clips.

    Yields:
        (frame index, (H0, W0) uint8 label map at the original size).
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        for window in windows(len(frames), num_frames, num_far):
            clip = Clip(
                to_tensor(resize_frames(_read(frames, window), geometry.input_size)),
                torch.tensor(window.indices),
                video_id,
                geometry,
            )
            with torch.inference_mode():
                (prediction,) = model([clip.to(device)])
                labels = prediction.label_maps(geometry).cpu().numpy()
            for index in window.kept:
                yield index, labels[window.indices.index(index)]
    finally:
        model.train(was_training)


def _read(frames: Sequence[np.ndarray], window: Window) -> list[np.ndarray]:
    # Neighbours in one go: a movie is decoded in its order.
    found = dict(zip(window.near, frames[window.near.start : window.near.stop], strict=True))
    found |= {index: frames[index : index + 1][0] for index in window.far}
    return [found[index] for index in window.indices]


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
