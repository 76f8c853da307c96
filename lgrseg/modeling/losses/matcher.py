"""Hungarian matching of queries to objects.

Source: Carion et al., "End-to-End Object Detection with Transformers", ECCV 2020, section 3.1;
costs on sampled points: Mask2Former (CVPR 2022), section 3.3.

Letters: L decoder outputs, Q queries, N objects, A annotated frames, P points, K classes.
"""

import numpy as np
import scipy  # which loads scipy.optimize when it is first used
import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Tensor

from lgrseg.layers.clip_batch import to_device
from lgrseg.ops import point_sample
from lgrseg.structures import ClipTargets

Matches = list[tuple[np.ndarray, np.ndarray]]
"""The pairs (query indices, object indices) of one clip, for every decoder output."""


def matching_cost(
    class_logits: Tensor,
    point_logits: Tensor,
    labels: Tensor,
    point_targets: Tensor,
    *,
    class_weight: float,
    mask_weight: float,
    dice_weight: float,
) -> Tensor:
    """Cost of matching each query with each object.

    cost = - class_weight * p(label) + mask_weight * BCE + dice_weight * (1 - dice), with

        BCE  = mean over points of -[y log s(x) + (1 - y) log(1 - s(x))]
        dice = (2 sum s(x) y + 1) / (sum s(x) + sum y + 1)

    Args:
        class_logits: (L, Q, K + 1) class logits.
        point_logits: (L, Q, P) mask logits at the points.
        labels: (N,) int64 classes of the objects.
        point_targets: (N, P) true masks at the same points, 0 to 1.
        class_weight: weight of the class probability.
        mask_weight: weight of the binary cross-entropy.
        dice_weight: weight of the Dice loss.

    Returns:
        (L, Q, N) costs.
    """
    class_cost = -class_logits.softmax(dim=-1)[..., labels]
    # BCE(x, y) = softplus(x) - x y, so the mean over points is one matrix product.
    num_points = max(point_logits.shape[-1], 1)
    overlap = einsum(point_logits, point_targets, "l q p, n p -> l q n")
    mask_cost = (F.softplus(point_logits).sum(-1, keepdim=True) - overlap) / num_points
    probs = point_logits.sigmoid()
    shared = einsum(probs, point_targets, "l q p, n p -> l q n")
    sizes = probs.sum(-1, keepdim=True) + point_targets.sum(-1)
    dice_cost = 1 - (2 * shared + 1) / (sizes + 1)
    return class_weight * class_cost + mask_weight * mask_cost + dice_weight * dice_cost


def cost_of_clip(
    class_logits: Tensor,
    mask_logits: Tensor,
    target: ClipTargets,
    *,
    num_points: int,
    generator: torch.Generator | None,
    class_weight: float,
    mask_weight: float,
    dice_weight: float,
) -> Tensor:
    """Cost of matching each query with each object, on random points of the annotated frames.

    Args:
        class_logits: (L, Q, K + 1) class logits of one clip.
        mask_logits: (L, Q, T, h, w) mask logits of the clip.
        target: targets of the clip.
        num_points: number of points per frame, the same ones for every query and output.
        generator: random generator of the points; None uses torch's global one.
        class_weight: weight of the class probability.
        mask_weight: weight of the binary cross-entropy.
        dice_weight: weight of the Dice loss.

    Returns:
        (L, Q, N) costs, see `matching_cost`.
    """
    device = mask_logits.device
    frames = to_device(torch.tensor(target.annotated_frames, dtype=torch.long), device)
    points = torch.rand(len(frames), num_points, 2, device=device, generator=generator)  # A P xy
    predicted = rearrange(mask_logits[:, :, frames], "l q a h w -> a (l q) h w")
    truth = rearrange(target.masks[:, frames], "n a h w -> a n h w").to(predicted)
    point_logits = point_sample(predicted, points, padding="border")
    point_targets = point_sample(truth, points, padding="border")
    return matching_cost(
        class_logits,
        rearrange(point_logits, "a (l q) p -> l q (a p)", l=len(mask_logits)),
        to_device(target.labels, device),
        rearrange(point_targets, "a n p -> n (a p)"),
        class_weight=class_weight,
        mask_weight=mask_weight,
        dice_weight=dice_weight,
    )


def assign(costs: list[Tensor]) -> list[Matches]:
    """Hungarian assignment for every clip and decoder output.

    Args:
        costs: costs (L, Q, N) of every clip; N may be 0.

    Returns:
        For every clip a list of L pairs (query indices, object indices), each min(Q, N) long.

    Raises:
        FloatingPointError: a cost is not finite, because the model's outputs are not finite.
    """
    sizes = [cost.shape[-1] for cost in costs]
    # All costs are copied to the CPU together: one synchronisation per step.
    table = torch.cat(costs, dim=-1).float().cpu().numpy()
    if not np.isfinite(table).all():
        raise FloatingPointError("the matching costs are not finite: the model's outputs are not")
    ends = np.cumsum(sizes)
    return [
        [scipy.optimize.linear_sum_assignment(layer[:, end - size : end]) for layer in table]
        for size, end in zip(sizes, ends, strict=True)
    ]
