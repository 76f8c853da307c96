"""Stochastic depth, shared by the backbones.

Source: Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016.
"""

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """Drops a residual branch for random images; the others are scaled up to keep the mean."""

    def __init__(self, rate: float):
        """`rate` is the probability that the branch is dropped, 0 to below 1."""
        super().__init__()
        self.rate = rate
        self.drawn: Tensor | None = None
        """(N,) uniform random numbers for the next images; None: torch's global generator."""

    def forward(self, branch: Tensor) -> Tensor:
        """Drop rows (images) of (N, ...) during training; otherwise return the input."""
        if not self.training or self.rate == 0:
            return branch
        uniform = (
            torch.rand(len(branch), device=branch.device) if self.drawn is None else self.drawn
        )
        is_kept = (uniform >= self.rate).view(-1, *[1] * (branch.dim() - 1))
        return branch * (is_kept / (1 - self.rate)).to(branch)


def draw_drop_paths(module: nn.Module, generators: list[torch.Generator], num_frames: int) -> None:
    """Draw random numbers for the next `num_frames` images of each clip, from its generator.

    The numbers are used until the next call. So with activation checkpointing, the recomputation
    in the backward pass drops the same branches.
    """
    paths = [m for m in module.modules() if isinstance(m, DropPath) and m.rate > 0]
    if not paths:
        return
    rows = [torch.rand(num_frames, len(paths), generator=g, device=g.device) for g in generators]
    for path, uniform in zip(paths, torch.cat(rows).unbind(dim=1), strict=True):
        path.drawn = uniform
