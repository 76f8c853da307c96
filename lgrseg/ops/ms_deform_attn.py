"""Multi-scale deformable attention.

Source: Zhu et al., "Deformable DETR", ICLR 2021, section 4.1, equation 3.

Letters: B clips, S values of all levels, Q queries, M heads, C channels of a head, L levels,
P points.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from lgrseg.ops.dispatch import KernelOp


def ms_deform_attn(
    value: Tensor,
    shapes: list[tuple[int, int]],
    locations: Tensor,
    weights: Tensor,
    *,
    kernels: str | None = None,
) -> Tensor:
    """Every query averages feature values at P points of each of L feature levels.

        out[q, m] = sum over l, p of weights[q, m, l, p] * value_l[m](locations[q, m, l, p])

    Args:
        value: (B, S, M, C) features per head; levels are flattened and joined, S = sum of H * W.
        shapes: (H, W) of each level.
        locations: (B, Q, M, L, P, 2) as (x, y), 0 to 1 across their level, edge to edge. They may
            have a wider type than the values, because 8 bits of bfloat16 are too few for positions.
        weights: (B, Q, M, L, P) attention weights, whose sum over L and P is usually 1.
        kernels: version that computes (see `lgrseg.ops.dispatch`).

    Returns:
        (B, Q, M * C) in the values' type. Points outside a level have the value 0.

    Raises:
        ValueError: the number of values is not the sum of the levels' sizes.
    """
    return _OP(value, _flat(value, shapes), locations, weights, False, kernels=kernels)


def ms_deform_attn_softmax(
    value: Tensor,
    shapes: list[tuple[int, int]],
    locations: Tensor,
    scores: Tensor,
    *,
    kernels: str | None = None,
) -> Tensor:
    """`ms_deform_attn` whose weights are the softmax of `scores` over L and P, in one kernel."""
    return _OP(value, _flat(value, shapes), locations, scores, True, kernels=kernels)


def _flat(value: Tensor, shapes: list[tuple[int, int]]) -> list[int]:
    sizes = [height * width for height, width in shapes]
    if sum(sizes) != value.shape[1]:
        raise ValueError(
            f"levels {shapes} have {sum(sizes)} values, but {value.shape[1]} were given"
        )
    return [side for shape in shapes for side in shape]


def _reference(
    value: Tensor, shapes: list[int], locations: Tensor, weights: Tensor, softmax: bool
) -> Tensor:
    num_heads, dtype = value.shape[2], value.dtype
    wide = torch.promote_types(dtype, locations.dtype)
    value, weights = value.to(wide), weights.to(wide)
    # The axis P is before Q: the sum over P is then a fifth faster than with P innermost, and the
    # softmax takes a third of the time.
    grid = rearrange(locations.to(wide), "b q m l p xy -> l (b m) p q xy") * 2 - 1  # -1 to 1
    weights = rearrange(weights, "b q m l p -> (b m) (l p) q")
    if softmax:
        weights = weights.softmax(dim=1)
    weights = rearrange(weights, "bm (l p) q -> l bm 1 p q", l=len(grid))
    sides = list(zip(shapes[::2], shapes[1::2], strict=True))
    levels = value.split([height * width for height, width in sides], dim=1)
    out = value.new_zeros(())
    for level, (height, _), points, weight in zip(levels, sides, grid, weights, strict=True):
        image = rearrange(level, "b (h w) m c -> (b m) c h w", h=height)
        sampled = F.grid_sample(image, points, align_corners=False)  # (B M) C P Q
        out = out + (sampled * weight).sum(dim=2)
    return rearrange(out, "(b m) c q -> b q (m c)", m=num_heads).to(dtype)


def _fake(value, shapes, locations, weights, softmax) -> tuple[Tensor, Tensor]:
    clips, _, heads, width = value.shape
    return value.new_empty(clips, locations.shape[1], heads * width), value.new_empty(0)


_OP = KernelOp(
    "ms_deform_attn",
    "Tensor value, SymInt[] shapes, Tensor locations, Tensor weights, bool softmax",
    reference=_reference,
    kernel="lgrseg.ops.ms_deform_attn_kernel",
    fake=_fake,
)


def reference_points(shapes: list[tuple[int, int]], device: torch.device) -> Tensor:
    """Centres of all pixels of all levels, joined: (S, 2) as (x, y), 0 to 1."""
    points = []
    for height, width in shapes:
        y = (torch.arange(height, device=device) + 0.5) / height
        x = (torch.arange(width, device=device) + 0.5) / width
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        points.append(torch.stack([columns.flatten(), rows.flatten()], dim=-1))
    return torch.cat(points)
