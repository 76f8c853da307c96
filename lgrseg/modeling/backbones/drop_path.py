"""Stochastic depth, shared by the backbones.

Source: Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016.
"""

import torch
from torch import Tensor


def drop_path(branch: Tensor, rate: float, *, training: bool) -> Tensor:
    """Leave a residual branch out, image by image; what stays is scaled up to keep the mean.

    Args:
        branch: (N, ...), one row an image.
        rate: probability of being left out, below 1.
        training: otherwise the branch is returned as it is.
    """
    if not training or rate == 0:
        return branch
    shape = (len(branch), *[1] * (branch.dim() - 1))
    kept = torch.rand(shape, device=branch.device) >= rate
    return branch * (kept / (1 - rate)).to(branch)
