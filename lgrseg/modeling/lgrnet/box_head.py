"""Boxes of queries, frame by frame: where in each frame a query finds its object.

A query of the decoder stands for an object through the whole clip. Here it looks once at every
frame: its attention over the frame's pixels has a centre and a spread, which are a first box, and
what it reads there corrects it.

Letters: B clips, Q queries, T frames, D width.
"""

import torch
from einops import einsum, rearrange
from torch import Tensor, nn

from lgrseg.layers.numerics import at_least_float32
from lgrseg.layers.position_encoding import sine_position_2d


class BoxHead(nn.Module):
    """Box and objectness of every query in every frame."""

    def __init__(self, *, dim: int = 64, feature: str = "res3"):
        """`feature` names the encoder's map that is looked at (stride 8)."""
        super().__init__()
        self.feature = feature
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.read = nn.Sequential(nn.Linear(2 * dim + 4, dim), nn.ReLU(), nn.LayerNorm(dim))
        self.correct = nn.Linear(dim, 4)
        self.objectness = nn.Linear(dim, 1)
        nn.init.zeros_(self.correct.weight)
        nn.init.zeros_(self.correct.bias)

    def forward(self, queries: Tensor, features: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Look at every frame.

        Args:
            queries: (B, Q, D), normed.
            features: of the encoder, `feature` (B, T, D, h, w).

        Returns:
            Boxes (B, Q, T, 4) as (cx, cy, w, h), parts of the map, 0 to 1; objectness (B, Q, T),
            raw: whether the object is in the frame.
        """
        maps = rearrange(features[self.feature], "b t d h w -> b t h w d")
        height, width, dim = maps.shape[2:]
        place = sine_position_2d(height, width, dim, maps.device).to(maps)
        keys = self.key(maps + rearrange(place, "d h w -> h w d"))
        scores = einsum(self.query(queries), keys, "b q d, b t h w d -> b q t h w") / dim**0.5
        looked = at_least_float32(scores).flatten(-2).softmax(-1)
        looked = rearrange(looked, "b q t (h w) -> b q t h w", h=height)
        first = _moments(looked)
        seen = einsum(looked.to(maps), self.value(maps), "b q t h w, b t h w d -> b q t d")
        asked = queries[:, :, None].expand(-1, -1, seen.shape[2], -1)
        read = self.read(torch.cat([asked, seen, first.to(seen)], dim=-1))
        boxes = (torch.logit(first, eps=1e-3) + at_least_float32(self.correct(read))).sigmoid()
        return boxes, at_least_float32(self.objectness(read)[..., 0])


def _moments(weights: Tensor) -> Tensor:
    """The box (..., 4) that even weights would have with these means and deviations.

    Even weights over a width deviate by width / sqrt(12). `weights` (..., h, w) sum to one.
    """
    moments = []
    for line in (weights.sum(dim=-2), weights.sum(dim=-1)):
        length = line.shape[-1]
        place = (torch.arange(length, device=line.device) + 0.5) / length
        mean = (line * place).sum(dim=-1)
        variance = (line * (place - mean[..., None]) ** 2).sum(dim=-1)
        # A pixel is not a point: within it the variance is a twelfth of its width squared.
        moments.append((mean, (12 * variance + length**-2).sqrt()))
    (x, width), (y, height) = moments
    return torch.stack([x, y, width, height], dim=-1).clamp(0, 1)
