"""Prediction of whole videos of any length, window by window, with bounded memory."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from lgrseg.data.mappers.clips import resize_frames, to_tensor
from lgrseg.inference.box_videos import follow_predictions
from lgrseg.inference.windows import read_window, windows
from lgrseg.modeling.contracts import ClipModel, MaskMemoryModel
from lgrseg.modeling.sam2.box_sam2 import BoxSam2
from lgrseg.structures import Clip, ClipPrediction, Geometry
from lgrseg.structures.box_prompts import BoxPrompt


def predict_frames(
    model: ClipModel,
    frames: Sequence[np.ndarray],
    geometry: Geometry,
    *,
    num_frames: int = 11,
    num_far: int = 0,
    video_id: str = "",
    boxes: list[BoxPrompt] | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the masks of every frame in order: the label maps of `predict_each_frame`.

    Yields:
        (frame index, (H0, W0) uint8 label map at the original size).
    """
    for index, prediction in predict_each_frame(
        model,
        frames,
        geometry,
        num_frames=num_frames,
        num_far=num_far,
        video_id=video_id,
        boxes=boxes,
    ):
        yield index, label_map(prediction, geometry)


@torch.inference_mode()
def label_map(prediction: ClipPrediction, geometry: Geometry) -> np.ndarray:
    """Make the (H0, W0) uint8 label map of a prediction of one frame."""
    return prediction.label_maps(geometry)[0].cpu().numpy()


def predict_each_frame(
    model: ClipModel,
    frames: Sequence[np.ndarray],
    geometry: Geometry,
    *,
    num_frames: int = 11,
    num_far: int = 0,
    video_id: str = "",
    boxes: list[BoxPrompt] | None = None,
) -> Iterator[tuple[int, ClipPrediction]]:
    """Yield the prediction of every frame in order, before it is converted to masks.

    Windows of consecutive frames overlap by half. The prediction of a frame comes from the window
    whose middle is nearest. Only one window is in memory at a time, so `frames` may be a memory
    map. A BOX-SAM2 tracks `boxes`, or the boxes of its box model, frame by frame without windows.
    An AR-SEG with a memory needs no overlap: every clip goes on with the masks of the one before.

    Args:
        model: model that gives a list of ClipPrediction; it is in evaluation mode meanwhile.
        frames: T frames (H, W) or (H, W, 3) uint8, cropped to geometry.crop_box.
        geometry: position of the frames in the original video.
        num_frames: number of frames in a window; a shorter video is one window.
        num_far: number of these frames that come from the rest of the video, evenly spread, as in
            clips of hybrid temporal sampling; 0 for consecutive frames only.
        video_id: identifier of the video, for the clips.
        boxes: prompts of a BOX-SAM2, in pixels of the original; None uses the boxes of its box
            model.

    Raises:
        ValueError: boxes are given, but the model takes none.

    Yields:
        (frame index, prediction of this one frame).
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        if isinstance(model, BoxSam2):
            yield from follow_predictions(
                model, frames, geometry, given=boxes, num_frames=num_frames
            )
            return
        if boxes is not None:
            raise ValueError(f"a {type(model).__name__} takes no boxes; a BOX-SAM2 does")
        if isinstance(model, MaskMemoryModel) and model.remembers:
            yield from _remember(model, frames, geometry, num_frames, video_id, device)
            return
        for window in windows(len(frames), num_frames, num_far):
            clip = _clip(read_window(frames, window), window.indices, video_id, geometry)
            with torch.inference_mode():
                (prediction,) = model([clip.to(device)])
            for index in window.kept:
                yield index, _of_frame(prediction, window.indices.index(index))
    finally:
        model.train(was_training)


def _remember(
    model: MaskMemoryModel,
    frames: Sequence[np.ndarray],
    geometry: Geometry,
    num_frames: int,
    video_id: str,
    device: torch.device,
) -> Iterator[tuple[int, ClipPrediction]]:
    """Yield the prediction of every frame; the memory goes on from one clip to the next."""
    earlier: list[torch.Tensor] = []
    for start in range(0, len(frames), num_frames):
        indices = list(range(start, min(start + num_frames, len(frames))))
        clip = _clip(frames[start : start + num_frames], indices, video_id, geometry)
        with torch.inference_mode():
            (prediction,), earlier = model.predict_next([clip.to(device)], earlier)
        for position, index in enumerate(indices):
            yield index, _of_frame(prediction, position)


def _clip(
    frames: Sequence[np.ndarray], indices: list[int], video_id: str, geometry: Geometry
) -> Clip:
    pictures = to_tensor(resize_frames(frames, geometry.input_size))
    return Clip(pictures, torch.tensor(indices), video_id, geometry)


def _of_frame(prediction: ClipPrediction, position: int) -> ClipPrediction:
    logits = prediction.mask_logits[:, position : position + 1]
    tokens, entropy = (
        each if each is None else each[position : position + 1]
        for each in (prediction.tokens, prediction.token_entropy)
    )
    of_frame = replace(prediction, mask_logits=logits, boxes=None, box_scores=None)
    of_frame.tokens, of_frame.token_entropy = tokens, entropy
    return of_frame
