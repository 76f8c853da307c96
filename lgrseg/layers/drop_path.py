"""Stochastic depth, shared by the backbones.

Source: Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016.
"""

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """Leaves a residual branch out, image by image; what stays is scaled up to keep the mean."""

    def __init__(self, rate: float):
        """`rate` is the probability of being left out, below 1."""
        super().__init__()
        self.rate = rate
        self.drawn: Tensor | None = None
        """(N,) uniform numbers for the next images; None draws them from torch's state."""

    def forward(self, branch: Tensor) -> Tensor:
        """(N, ...), one row an image -> the same shape; unchanged outside training."""
        if not self.training or self.rate == 0:
            return branch
        drawn = torch.rand(len(branch), device=branch.device) if self.drawn is None else self.drawn
        kept = (drawn >= self.rate).view(-1, *[1] * (branch.dim() - 1))
        return branch * (kept / (1 - self.rate)).to(branch)


def draw_drop_paths(module: nn.Module, generators: list[torch.Generator], num_frames: int) -> None:
    """Draw for the coming images, `num_frames` of each clip, from the clips' own generators.

    The numbers stay until the next call, so that a part that is computed once more in the backward
    pass (activation checkpointing) drops the same branches.
    """
    paths = [m for m in module.modules() if isinstance(m, DropPath) and m.rate > 0]
    if not paths:
        return
    rows = [torch.rand(num_frames, len(paths), generator=g, device=g.device) for g in generators]
    for path, drawn in zip(paths, torch.cat(rows).unbind(dim=1), strict=True):
        path.drawn = drawn
