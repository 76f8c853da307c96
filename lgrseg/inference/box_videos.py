"""Prediction of whole videos by BOX-SAM2; frames are read one by one, to save memory."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from lgrseg.data.mappers.clips import resize_frames, to_tensor
from lgrseg.inference.windows import read_window, windows
from lgrseg.modeling.sam2.box_sam2 import BoxSam2
from lgrseg.modeling.sam2.box_tracking import Boxes, track_video
from lgrseg.modeling.sam2.tracker import NO_OBJECT
from lgrseg.structures import Clip, ClipPrediction, Geometry
from lgrseg.structures.box_prompts import BoxPrompt, PromptError
from lgrseg.structures.boxes import from_corners


def prompts_of(given: list[BoxPrompt], geometry: Geometry) -> dict[int, Boxes]:
    """Convert boxes in pixels of the original frame to parts of the crop, by frame.

    Raises:
        PromptError: a box lies outside the crop.
    """
    top, left, bottom, right = geometry.crop_box
    start, size = torch.tensor([left, top] * 2), torch.tensor([right - left, bottom - top] * 2)
    found: dict[int, Boxes] = {}
    for prompt in given:
        box = from_corners(((torch.tensor(prompt.box) - start) / size).clamp(0, 1))
        if not (box[2:] > 0).all():
            raise PromptError(
                f"box {list(prompt.box)} on frame {prompt.frame} lies outside the fan, which has x "
                f"{left} to {right} and y {top} to {bottom}; --no-crop uses the whole frame"
            )
        found.setdefault(prompt.frame, {})[prompt.label] = box
    return found


def predicted_boxes(
    model: BoxSam2, frames: Sequence[np.ndarray], geometry: Geometry, *, num_frames: int
) -> tuple[Tensor, Tensor]:
    """Predict boxes (K, T, 4) and scores (K, T) of every frame with the model's box model.

    Windows are those with which the run of the box model was tested. For a box model that is not a
    run they have `num_frames` frames.

    Raises:
        ValueError: the model has no box model.
    """
    boxes, scores = [], []
    how = getattr(model.box_model, "window", {"num_frames": num_frames})
    for window in windows(len(frames), **how):
        pictures = resize_frames(read_window(frames, window), geometry.input_size)
        clip = Clip(to_tensor(pictures), torch.tensor(window.indices), "", geometry)
        found = model.predicted_boxes(clip.to(_device(model)))
        assert found.boxes is not None and found.box_scores is not None, "predicted_boxes has both"
        kept = [window.indices.index(frame) for frame in window.kept]
        boxes.append(found.boxes[:, kept].cpu())
        scores.append(found.box_scores[:, kept].cpu())
    return torch.cat(boxes, dim=1), torch.cat(scores, dim=1)


@torch.inference_mode()
def follow_boxes(
    model: BoxSam2,
    frames: Sequence[np.ndarray],
    geometry: Geometry,
    *,
    given: list[BoxPrompt] | None = None,
    num_frames: int = 11,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the masks of every frame in order: the label maps of `follow_predictions`.

    Yields:
        (frame index, (H0, W0) uint8 label map at the original size).
    """
    for index, prediction in follow_predictions(
        model, frames, geometry, given=given, num_frames=num_frames
    ):
        yield index, prediction.label_maps(geometry)[0].cpu().numpy()


@torch.inference_mode()
def follow_predictions(
    model: BoxSam2,
    frames: Sequence[np.ndarray],
    geometry: Geometry,
    *,
    given: list[BoxPrompt] | None = None,
    num_frames: int = 11,
) -> Iterator[tuple[int, ClipPrediction]]:
    """Yield the prediction of every frame in order.

    Args:
        model: BOX-SAM2 model in evaluation mode.
        frames: T frames (H, W) or (H, W, 3) uint8, cropped to geometry.crop_box.
        geometry: position of the frames in the original video.
        given: boxes by hand; None uses the boxes of the model's box model. Then a class is prompted
            again if its tracked mask and its predicted box disagree and the box has the higher
            confidence.
        num_frames: number of frames in a window of the box model.

    Yields:
        (frame index, prediction of this one frame). If there is no box at all, no class is present
        in any frame.
    """
    device, look = _device(model), None
    if given is not None:
        prompts = prompts_of(given, geometry)
    else:
        boxes, scores = predicted_boxes(model, frames, geometry, num_frames=num_frames)
        prompts, seen = model.choose_prompts(boxes.to(device), scores)
        look = seen.__getitem__
    prompts = {t: {k: box.to(device) for k, box in found.items()} for t, found in prompts.items()}
    if not any(prompts.values()):
        nothing = torch.full((model.num_classes, 1, 1, 1), NO_OBJECT, device=device)
        absent = torch.zeros(model.num_classes, device=device)
        for index in range(len(frames)):
            yield index, ClipPrediction(nothing, absent, absent > 0)
        return
    pictures = _Pictures(model, frames, geometry)
    for index, logits in track_video(
        model.tracker, pictures, prompts, model.num_classes, look=look, agreement=model.agreement
    ):
        present = (logits > NO_OBJECT).flatten(1).any(dim=1)
        yield index, ClipPrediction(logits[:, None], present.float(), present)


class _Pictures:
    """The tracker's input frames, made when they are read."""

    def __init__(self, model: BoxSam2, frames: Sequence[np.ndarray], geometry: Geometry):
        self.model, self.frames, self.geometry = model, frames, geometry

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Tensor:
        picture = resize_frames(self.frames[index : index + 1], self.geometry.input_size)
        clip = Clip(to_tensor(picture), torch.tensor([index]), "").to(_device(self.model))
        return self.model.prepared([clip])[0, 0]


def _device(model: torch.nn.Module) -> torch.device:
    return next(model.parameters()).device
