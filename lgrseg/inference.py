"""Prediction of whole videos of any length, window by window, with bounded memory."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from lgrseg.data.mapper import resize_frames, to_tensor
from lgrseg.structures import Clip, Geometry


def predict_frames(
    model: torch.nn.Module,
    frames: Sequence[np.ndarray],
    geometry: Geometry,
    *,
    num_frames: int = 11,
    video_id: str = "",
) -> Iterator[tuple[int, np.ndarray]]:
    """Masks of every frame, in order.

    Windows of `num_frames` overlap by half; a frame is predicted by the window in whose middle it
    is nearest. Only one window is held at a time, so `frames` may be a memory map.

    Args:
        model: takes a list of clips, gives a list of ClipPrediction; it is put into eval mode.
        frames: T frames (H, W) or (H, W, 3) uint8, cropped to geometry.crop_box.
        geometry: says how to come back to the original frame.
        num_frames: length of a window; a shorter video is one window.
        video_id: goes into the clips.

    Yields:
        (frame index, (H0, W0) uint8 label map at the original size).
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        for start, stop, first, last in windows(len(frames), num_frames):
            clip = Clip(
                to_tensor(resize_frames(frames[start:stop], geometry.input_size)),
                torch.arange(start, stop),
                video_id,
                geometry,
            )
            with torch.inference_mode():
                (prediction,) = model([clip.to(device)])
                labels = prediction.label_maps(geometry).cpu().numpy()
            for index in range(first, last):
                yield index, labels[index - start]
    finally:
        model.train(was_training)


def windows(length: int, num_frames: int) -> list[tuple[int, int, int, int]]:
    """Windows over a video: (start, stop, first, last), of which first..last - 1 is kept.

    Every frame is kept once, by the window whose middle is nearest.
    """
    if length <= num_frames:
        return [(0, length, 0, length)]
    step = max(1, num_frames // 2)
    starts = [*range(0, length - num_frames, step), length - num_frames]
    # Half-way between two neighbouring middles, rounded up: a tie goes to the earlier window.
    cuts = [(a + b + num_frames) // 2 for a, b in zip(starts, starts[1:], strict=False)]
    kept = zip([0, *cuts], [*cuts, length], strict=True)
    return [(s, s + num_frames, first, last) for s, (first, last) in zip(starts, kept, strict=True)]
