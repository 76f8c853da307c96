"""Matching costs and losses of boxes.

Source: Carion et al., "End-to-End Object Detection with Transformers", ECCV 2020, section 3.1:
L1 and generalised IoU. An object has a box in every annotated frame that shows it. Objectness is
the prediction whether a frame shows it.

Letters: L decoder outputs, B clips, Q queries, N objects of a clip, A annotated frames of a clip.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lgrseg.layers.clip_batch import to_device
from lgrseg.layers.numerics import divide
from lgrseg.modeling.lgrnet.decoder import DecoderOutput
from lgrseg.modeling.losses.matcher import Matches
from lgrseg.structures import ClipTargets
from lgrseg.structures.boxes import box_iou, boxes_of_masks


class BoxTruth(NamedTuple):
    """The boxes of a clip's objects on its annotated frames."""

    frames: Tensor
    """(A,) int64 indices of the annotated frames."""
    boxes: Tensor
    """(N, A, 4) boxes, 0 if the object is not in the frame."""
    present: Tensor
    """(N, A) bool: true if the object is in the frame."""


def box_truth(target: ClipTargets) -> BoxTruth:
    """Compute the boxes of masks, on the device of the masks."""
    annotated = torch.tensor(target.annotated_frames, dtype=torch.long)
    frames = to_device(annotated, target.masks.device)
    return BoxTruth(frames, *boxes_of_masks(target.masks[:, frames]))


class BoxOutputs(NamedTuple):
    """The boxes of all decoder outputs, and the true ones."""

    predicted: Tensor
    """(L, B, Q, T, 4) as (cx, cy, w, h)."""
    objectness: Tensor
    """(L, B, Q, T) logits."""
    truths: list[BoxTruth]
    """The true boxes of every clip."""


def box_outputs(
    outputs: Sequence[DecoderOutput], targets: Sequence[ClipTargets]
) -> BoxOutputs | None:
    """The boxes of the outputs with the true ones; None without a box head."""
    boxes = [output.boxes for output in outputs if output.boxes is not None]
    objectness = [output.objectness for output in outputs if output.objectness is not None]
    if not boxes:
        return None
    truths = [box_truth(target) for target in targets]
    return BoxOutputs(torch.stack(boxes), torch.stack(objectness), truths)


def box_totals(targets: Sequence[ClipTargets], num_queries: int) -> dict[str, float]:
    """Normalisers of the box losses: "box" counts objects x frames, "object" queries x frames."""
    boxes = predictions = 0.0
    for target in targets:
        frames = target.annotated_frames
        boxes += float(target.masks[:, frames].any(dim=-1).any(dim=-1).sum())
        predictions += num_queries * len(frames)
    return {"box": boxes, "object": predictions}


def box_cost(boxes: Tensor, truth: BoxTruth, *, box_weight: float, giou_weight: float) -> Tensor:
    """Box cost of matching each query with each object.

    Args:
        boxes: (L, Q, T, 4) predicted boxes of one clip.
        truth: true boxes of the clip.
        box_weight: weight of the L1 distance.
        giou_weight: weight of 1 - GIoU.

    Returns:
        (L, Q, N) costs: means over the annotated frames that show the object.
    """
    predicted, true_boxes = (
        boxes[:, :, None, truth.frames],
        truth.boxes.to(boxes),
    )  # L Q 1 A 4, N A 4
    distance = (predicted - true_boxes).abs().sum(dim=-1)
    cost = box_weight * distance + giou_weight * (1 - box_iou(predicted, true_boxes)[1])
    counted = truth.present.to(cost)
    return (cost * counted).sum(dim=-1) / counted.sum(dim=-1).clamp(min=1)


def box_losses(
    boxes: Tensor,
    objectness: Tensor,
    matches: Sequence[Matches],
    truths: Sequence[BoxTruth],
    totals: Mapping[str, float | Tensor],
    *,
    box_weight: float,
    giou_weight: float,
    objectness_weight: float,
) -> dict[str, Tensor]:
    """L1, GIoU and objectness losses of every output, (L,) each.

    Args:
        boxes: (L, B, Q, T, 4) predicted boxes.
        objectness: (L, B, Q, T) logits.
        matches: L pairs (queries, objects) of every clip, one per output.
        truths: true boxes of every clip.
        totals: normalisers from `box_totals`.
        box_weight: weight of the L1 distance.
        giou_weight: weight of 1 - GIoU.
        objectness_weight: weight of the cross-entropy of objectness.
    """
    sums = {name: boxes.new_zeros(len(boxes)) for name in ("box", "giou", "object")}
    for clip, (clip_matches, truth) in enumerate(zip(matches, truths, strict=True)):
        pairs = torch.stack([torch.from_numpy(np.stack(match)) for match in clip_matches])
        queries, objects = to_device(pairs, boxes.device).unbind(dim=1)  # L N, each
        output = torch.arange(len(boxes), device=boxes.device)[:, None]
        predicted = boxes[:, clip][output, queries][:, :, truth.frames]  # L N A 4
        true_boxes, counted = truth.boxes.to(boxes)[objects], truth.present[objects].to(boxes)
        distance = (predicted - true_boxes).abs().sum(dim=-1)
        sums["box"] = sums["box"] + (distance * counted).sum(dim=(1, 2))
        giou_loss = 1 - box_iou(predicted, true_boxes)[1]
        sums["giou"] = sums["giou"] + (giou_loss * counted).sum(dim=(1, 2))
        logits = objectness[:, clip][:, :, truth.frames]  # L Q A
        is_present = torch.zeros_like(logits)
        is_present[output, queries] = counted
        entropy = F.binary_cross_entropy_with_logits(logits, is_present, reduction="none")
        sums["object"] = sums["object"] + entropy.sum(dim=(1, 2))
    weights = {"box": box_weight, "giou": giou_weight, "object": objectness_weight}
    divisors = {"box": totals["box"], "giou": totals["box"], "object": totals["object"]}
    return {f"loss_{name}": weights[name] * divide(sums[name], divisors[name]) for name in sums}
