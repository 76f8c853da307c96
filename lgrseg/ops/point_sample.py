"""Reading maps at points between the pixels."""

import torch.nn.functional as F
from torch import Tensor


def point_sample(maps: Tensor, points: Tensor) -> Tensor:
    """Bilinear values of maps at points.

    Args:
        maps: (N, C, H, W).
        points: (N, P, 2) as (x, y), 0 to 1 from edge to edge; outside reads towards zero.

    Returns:
        (N, C, P).

    Source: Kirillov et al., "PointRend", CVPR 2020.
    """
    grid = 2 * points[:, :, None] - 1  # grid_sample counts from -1 to 1
    return F.grid_sample(maps, grid.to(maps.dtype), align_corners=False)[..., 0]
