"""Samples maps at points between pixels, and selects points where a map is uncertain.

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
    """Sample maps at points, bilinear.

    Args:
        maps: (N, C, H, W) maps.
        points: (N, P, 2) points as (x, y), 0 to 1 from edge to edge.
        padding: values beyond the centres of the outermost pixels. "zeros": the map decreases to 0,
            so values within half a pixel of the edge are too small. "border": the outermost pixels
            are repeated.
        kernels: version that computes (see `lgrseg.ops.dispatch`).

    Returns:
        (N, C, P) values in the maps' type.

    Raises:
        ValueError: `padding` has another value.
    """
    if padding not in PADDINGS:
        raise ValueError(f"padding must be one of {', '.join(PADDINGS)}, not {padding!r}")
    if padding == "border":
        points = _between_centres(points, *maps.shape[-2:])
    return _OP(maps, points, kernels=kernels)


def _between_centres(points: Tensor, height: int, width: int) -> Tensor:
    """Move points to the nearest position that is surrounded by four pixel centres."""
    pairs = zip(points.unbind(dim=-1), (width, height), strict=True)
    return torch.stack(
        [coordinate.clamp(0.5 / side, 1 - 0.5 / side) for coordinate, side in pairs], dim=-1
    )


@torch.no_grad()
def uncertain_points(logits: Tensor, candidates: Tensor, count: int) -> Tensor:
    """Select the candidates of each map where its logit is nearest to zero.

    Outermost pixels are repeated. With maps that decrease to zero, as in the code of PointRend and
    Mask2Former, all points along the border would look uncertain.

    Args:
        logits: (N, H, W) mask logits.
        candidates: (N, P, 2) points as (x, y), 0 to 1.
        count: number of points to select, at most P.

    Returns:
        (N, count, 2) selected points, unordered.
    """
    doubt = -point_sample(logits[:, None], candidates, padding="border")[:, 0].abs()  # N P
    selected = doubt.topk(count, dim=1, sorted=False).indices
    return candidates.gather(1, selected[..., None].expand(-1, -1, 2))


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
