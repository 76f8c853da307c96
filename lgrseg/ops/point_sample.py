"""Reading maps at points between the pixels, and choosing points where a map is unsure.

Source: Kirillov et al., "PointRend", CVPR 2020, section 3.1.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from lgrseg.ops.dispatch import KernelOp

PADDINGS = ("zeros", "border")


def point_sample(
    maps: Tensor, points: Tensor, *, padding: str = "zeros", kernels: str | None = None
) -> Tensor:
    """Bilinear values of maps at points.

    Args:
        maps: (N, C, H, W).
        points: (N, P, 2) as (x, y), 0 to 1 from edge to edge.
        padding: what lies beyond the centres of the outermost pixels: with "zeros" maps fade to 0,
            so that half a pixel from the edge, within the picture, they are read wrongly; with
            "border" the outermost pixels go on.
        kernels: which version computes (see `lgrseg.ops.dispatch`).

    Returns:
        (N, C, P), of the maps' type.

    Raises:
        ValueError: another padding.
    """
    if padding not in PADDINGS:
        raise ValueError(f"padding is one of {', '.join(PADDINGS)}, not {padding!r}")
    if padding == "border":
        points = _between_centres(points, *maps.shape[-2:])
    return _OP(maps, points, kernels=kernels)


def _between_centres(points: Tensor, height: int, width: int) -> Tensor:
    """Points moved to the nearest place that four pixels surround."""
    pairs = zip(points.unbind(dim=-1), (width, height), strict=True)
    return torch.stack([place.clamp(0.5 / side, 1 - 0.5 / side) for place, side in pairs], dim=-1)


@torch.no_grad()
def uncertain_points(logits: Tensor, candidates: Tensor, count: int) -> Tensor:
    """Of each map's candidates, those where its logit is nearest to zero.

    Maps go on beyond their outermost pixels: would they fade to zero, as in PointRend's and
    Mask2Former's code, they would seem unsure all along the border.

    Args:
        logits: (N, H, W).
        candidates: (N, P, 2) as (x, y), 0 to 1.
        count: how many to keep, at most P.

    Returns:
        (N, count, 2), in no order.
    """
    doubt = -point_sample(logits[:, None], candidates, padding="border")[:, 0].abs()  # N P
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
