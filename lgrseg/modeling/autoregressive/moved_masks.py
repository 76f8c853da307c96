"""Masks at a slightly wrong place, as a model makes them at test."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


class MovedMasks:
    """Rotates, zooms and shifts masks by random numbers."""

    def __init__(self, *, rotation: float, scale: float, shift: float):
        """Set the largest changes.

        Args:
            rotation: largest rotation, in degrees.
            scale: largest zoom: from 1 - scale to 1 + scale.
            shift: largest shift in height and in width, as part of the side.
        """
        self.rotation, self.scale, self.shift = rotation, scale, shift

    def __call__(self, shares: Tensor, uniform: Tensor) -> Tensor:
        """Move masks; what comes in from outside the frame is background.

        Args:
            shares: (N, K + 1, H, W) class shares, the background first.
            uniform: (N, 4) numbers from -1 to 1: angle, zoom, and the shifts in width and height.
        """
        angle = math.radians(self.rotation) * uniform[:, 0]
        zoom = 1 + self.scale * uniform[:, 1]
        cos, sin = angle.cos() / zoom, angle.sin() / zoom
        x, y = 2 * self.shift * uniform[:, 2], 2 * self.shift * uniform[:, 3]
        matrix = torch.stack([torch.stack([cos, -sin, x], 1), torch.stack([sin, cos, y], 1)], 1)
        points = F.affine_grid(matrix.to(shares), list(shares.shape), align_corners=False)
        moved = F.grid_sample(shares[:, 1:], points, align_corners=False)
        return torch.cat([1 - moved.sum(dim=1, keepdim=True), moved], dim=1)
