"""Reading maps at points between the pixels, and choosing points where a map is unsure.

Source: Kirillov et al., "PointRend", CVPR 2020, section 3.1.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from lgrseg.ops.dispatch import KernelOp


def point_sample(maps: Tensor, points: Tensor, *, kernels: str | None = None) -> Tensor:
    """Bilinear values of maps at points.

    Args:
        maps: (N, C, H, W).
        points: (N, P, 2) as (x, y), 0 to 1 from edge to edge; outside reads towards zero.
        kernels: which version computes (see `lgrseg.ops.dispatch`).

    Returns:
        (N, C, P), of the maps' type.
    """
    return _OP(maps, points, kernels=kernels)


@torch.no_grad()
def uncertain_points(logits: Tensor, candidates: Tensor, count: int) -> Tensor:
    """Of each map's candidates, those where its logit is nearest to zero.

    Args:
        logits: (N, H, W).
        candidates: (N, P, 2) as (x, y), 0 to 1.
        count: how many to keep, at most P.

    Returns:
        (N, count, 2), in no order.
    """
    doubt = -point_sample(logits[:, None], candidates)[:, 0].abs()  # N P
    kept = doubt.topk(count, dim=1, sorted=False).indices
    return candidates.gather(1, kept[..., None].expand(-1, -1, 2))


def _reference(maps: Tensor, points: Tensor) -> Tensor:
    wide = torch.promote_types(maps.dtype, points.dtype)
    grid = 2 * points.to(wide)[:, :, None] - 1  # grid_sample counts from -1 to 1
    return F.grid_sample(maps.to(wide), grid, align_corners=False)[..., 0].to(maps.dtype)


def _fake(maps, points) -> tuple[Tensor, Tensor]:
    return maps.new_empty(*maps.shape[:2], points.shape[1]), maps.new_empty(0)


_OP = KernelOp(
    "point_sample",
    "Tensor maps, Tensor points",
    reference=_reference,
    kernel="lgrseg.ops.point_sample_kernel",
    fake=_fake,
)
