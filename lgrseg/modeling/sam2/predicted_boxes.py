"""Selects predicted boxes as prompts of SAM 2, and those that disagree with the tracked masks.

Letters: K classes, T frames.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from lgrseg.modeling.sam2.records import FrameMasks
from lgrseg.structures import Clip, ClipPrediction
from lgrseg.structures.boxes import box_iou, boxes_of_masks

STRAY = 0.02
"""Share of a tracked mask that may be outside each side of its box."""

Boxes = dict[int, Tensor]
"""Class -> box on one frame, (4,) as (cx, cy, w, h), fractions of the frame."""


class Opinion(NamedTuple):
    """Predicted box of one class on one frame."""

    box: Tensor
    """(4,) as (cx, cy, w, h), fractions of the frame."""
    score: float
    """Confidence of the box, 0 to 1."""


Opinions = dict[int, Opinion]
"""Class -> predicted box on one frame."""


def check_prompt_settings(every: int, **shares: float) -> None:
    """Check the settings of `BoxSam2` that decide which boxes are prompts.

    Args:
        every: number of frames between prompts, or 0 for one prompt.
        shares: scores and shares by the name of their setting.

    Raises:
        ValueError: `every` is negative, or a share is outside 0 to 1.
    """
    if every < 0:
        raise ValueError(f"every must be 0 (one prompt) or a number of frames, not {every}")
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ValueError(f"{name} must be 0 to 1, not {share}")


def choose_prompts(
    boxes: Tensor, scores: Tensor, *, every: int, least_score: float
) -> tuple[dict[int, Boxes], list[Opinions]]:
    """Select predicted boxes as prompts.

    Args:
        boxes: (K, T, 4) predicted boxes.
        scores: (K, T) confidence of the boxes, 0 to 1.
        every: number of frames between prompts; 0 uses only the best frame of each class.
        least_score: smallest score of boxes that are used.

    Returns:
        Frame -> boxes that are prompts; and for every frame the boxes with high enough scores.
    """
    num_classes, num_frames = scores.shape
    is_sure, values = (scores >= least_score).tolist(), scores.tolist()
    opinions = [
        {k: Opinion(boxes[k, t], values[k][t]) for k in range(num_classes) if is_sure[k][t]}
        for t in range(num_frames)
    ]
    prompts: dict[int, Boxes] = {}
    for k, best in enumerate(scores.argmax(dim=1).tolist()):
        if is_sure[k][best]:
            prompts.setdefault(best, {})[k] = boxes[k, best]
    if every:
        for t in range(0, num_frames, every):
            confident_boxes = {k: opinion.box for k, opinion in opinions[t].items()}
            prompts[t] = prompts.get(t, {}) | confident_boxes
    return prompts, opinions


def boxes_of_model(
    box_model: Callable[[list[Clip]], list[ClipPrediction]] | None, clip: Clip, num_classes: int
) -> ClipPrediction:
    """Prediction of a box model for a clip, with `boxes` and `box_scores`.

    Raises:
        ValueError: there is no box model, or it does not predict boxes of these classes.
    """
    if box_model is None:
        raise ValueError(
            "there is no box prompt: give boxes with --box or --boxes, set box_model, "
            "or use clips with boxes (PromptedMapper)"
        )
    (prediction,) = box_model([clip])
    if prediction.boxes is None or prediction.box_scores is None:
        raise ValueError(
            "the box model predicts no boxes with scores: its decoder needs a box_head, as with "
            "method=boxes"
        )
    if len(prediction.boxes) != num_classes:
        raise ValueError(
            f"the box model has {len(prediction.boxes)} classes, this model has {num_classes}: "
            "both must be of the same dataset"
        )
    return prediction


def disagreeing(
    labels: list[int], masks: FrameMasks, opinions: Opinions, agreement: float
) -> Opinions:
    """The predicted boxes that disagree with the masks of `labels`."""
    compared = [position for position, label in enumerate(labels) if label in opinions]
    if not compared:
        return {}
    followed, _ = boxes_of_masks(masks.logits[compared] > 0, trim=STRAY)
    others = {labels[position]: opinions[labels[position]] for position in compared}
    iou, _ = box_iou(followed, torch.stack([opinion.box for opinion in others.values()]))
    pairs = zip(others.items(), iou.tolist(), strict=True)
    return {label: opinion for (label, opinion), i in pairs if i < agreement}
