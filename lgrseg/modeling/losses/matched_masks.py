"""The masks of matched queries with their truth, on whole maps and at sampled points.

Source of the points: Kirillov et al., "PointRend", CVPR 2020, section 3.1; Mask2Former uses them
too. Unlike in their code, masks do not decrease to zero at the border of the picture
(`padding` of `point_sample`), because this attracted uncertain points to the border.

Letters: L decoder outputs, N objects of a clip, A annotated frames of a clip, R rows (one
for every object on every annotated frame of the batch), P points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor

from lgrseg.layers.clip_batch import to_device
from lgrseg.layers.numerics import at_least_float32
from lgrseg.modeling.losses.matcher import Matches
from lgrseg.ops import point_sample, uncertain_points
from lgrseg.structures import ClipTargets

Rows = tuple[Tensor, Tensor]
"""The rows of one clip: mask logits (L, R, h, w), and the truth (L, R, H, W) bool."""


@dataclass(frozen=True)
class MatchedMasks:
    """The rows of a batch, as whole maps and at points, for the terms of the loss."""

    logits: Tensor
    """(L, R, h, w) mask logits."""
    truth: Tensor
    """(L, R, H, W) bool true masks, usually of a higher resolution than the logits."""
    points: Tensor
    """(L, R, P, 2) points as (x, y), 0 to 1; at most of them the logits are uncertain."""
    point_logits: Tensor
    """(L, R, P) mask logits at the points."""
    point_truth: Tensor
    """(L, R, P) true masks at the points, 0 to 1."""


def matched_rows(
    mask_logits: Tensor, matches: Sequence[Matches], targets: Sequence[ClipTargets]
) -> list[tuple[Tensor, Tensor]]:
    """Matched objects on annotated frames, by clip: logits (L, R, h, w), truth (L, R, H, W)."""
    rows = []
    for clip, (clip_matches, target) in enumerate(zip(matches, targets, strict=True)):
        device = mask_logits.device
        queries, objects, frames = (
            to_device(torch.tensor(numbers, dtype=torch.long), device)
            for numbers in (
                [q.tolist() for q, _ in clip_matches],
                [n.tolist() for _, n in clip_matches],
                target.annotated_frames,
            )
        )
        output = torch.arange(len(clip_matches), device=device)[:, None]
        chosen = mask_logits[:, clip][output, queries][:, :, frames]  # L N A h w
        truth = target.masks[objects][:, :, frames]
        chosen = rearrange(chosen, "l n a h w -> l (n a) h w")
        rows.append((chosen, rearrange(truth, "l n a h w -> l (n a) h w")))
    return rows


def sampled_masks(
    rows: Sequence[Rows],
    generators: Sequence[torch.Generator | None],
    *,
    num_points: int,
    oversample_ratio: float,
    importance_ratio: float,
) -> MatchedMasks:
    """Join the rows of all clips, and sample them at points.

    Args:
        rows: rows of every clip, at least one row in all.
        generators: random generator of every clip, for its points.
        num_points: number P of points per row.
        oversample_ratio: number of random candidates per selected uncertain point.
        importance_ratio: share of points that are the most uncertain candidates, 0 to 1.
    """
    logits = at_least_float32(torch.cat([logits for logits, _ in rows], dim=1))
    truth = torch.cat([masks for _, masks in rows], dim=1)
    num_candidates = int(num_points * oversample_ratio)
    num_uncertain = int(num_points * importance_ratio)
    with torch.no_grad():
        drawn = _random_points(rows, generators, num_candidates + num_points - num_uncertain)
        candidates, anywhere = drawn[:, :num_candidates], drawn[:, num_candidates:]
        uncertain = uncertain_points(logits.flatten(0, 1), candidates, num_uncertain)
        points = torch.cat([uncertain, anywhere], dim=1)  # (L R) P xy
        masks = rearrange(truth, "l r h w -> (l r) 1 h w").to(logits)
        point_truth = point_sample(masks, points, padding="border")
    maps = rearrange(logits, "l r h w -> (l r) 1 h w")
    point_logits = point_sample(maps, points, padding="border")
    num_outputs = len(logits)
    return MatchedMasks(
        logits=logits,
        truth=truth,
        points=rearrange(points, "(l r) p xy -> l r p xy", l=num_outputs),
        point_logits=rearrange(point_logits, "(l r) 1 p -> l r p", l=num_outputs),
        point_truth=rearrange(point_truth, "(l r) 1 p -> l r p", l=num_outputs),
    )


def _random_points(
    rows: Sequence[Rows], generators: Sequence[torch.Generator | None], count: int
) -> Tensor:
    """`count` random points for every row, ((L R), count, 2), from the generators of the clips."""
    of_clips = [
        torch.rand(*logits.shape[:2], count, 2, device=logits.device, generator=generator)
        for (logits, _), generator in zip(rows, generators, strict=True)
    ]
    return rearrange(torch.cat(of_clips, dim=1), "l r c xy -> (l r) c xy")
