"""Predicts the box of every query in every frame.

A query of the decoder represents an object in the whole clip. Here it attends once to every frame.
The mean and the spread of its attention over the pixels give a first box. The attended features
correct this box.

Letters: B clips, Q queries, T frames, D width.
"""

import torch
from einops import einsum, rearrange
from torch import Tensor, nn

from lgrseg.layers.numerics import at_least_float32
from lgrseg.layers.position_encoding import sine_position_2d


class BoxHead(nn.Module):
    """Predicts a box and the objectness of every query in every frame."""

    def __init__(self, *, dim: int = 64, feature: str = "res3"):
        """`feature` is the name of the encoder's map that queries attend to (stride 8)."""
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
        """Predict boxes in every frame.

        Args:
            queries: (B, Q, D) normalised queries.
            features: maps of the encoder; `feature` is (B, T, D, h, w).

        Returns:
            Boxes (B, Q, T, 4) as (cx, cy, w, h), fractions of the map, 0 to 1; objectness
            (B, Q, T): logits of "the object is in the frame".
        """
        maps = rearrange(features[self.feature], "b t d h w -> b t h w d")
        height, width, dim = maps.shape[2:]
        position = sine_position_2d(height, width, dim, maps.device).to(maps)
        keys = self.key(maps + rearrange(position, "d h w -> h w d"))
        scores = einsum(self.query(queries), keys, "b q d, b t h w d -> b q t h w") / dim**0.5
        attention = at_least_float32(scores).flatten(-2).softmax(-1)
        attention = rearrange(attention, "b q t (h w) -> b q t h w", h=height)
        first = _moments(attention)
        attended = einsum(attention.to(maps), self.value(maps), "b q t h w, b t h w d -> b q t d")
        repeated_queries = queries[:, :, None].expand(-1, -1, attended.shape[2], -1)
        read = self.read(torch.cat([repeated_queries, attended, first.to(attended)], dim=-1))
        boxes = (torch.logit(first, eps=1e-3) + at_least_float32(self.correct(read))).sigmoid()
        return boxes, at_least_float32(self.objectness(read)[..., 0])


def _moments(weights: Tensor) -> Tensor:
    """The box (..., 4) whose uniform distribution has the mean and deviation of `weights`.

    Uniform weights have the deviation width / sqrt(12). `weights` (..., h, w) sum to 1.
    """
    moments = []
    for line in (weights.sum(dim=-2), weights.sum(dim=-1)):
        length = line.shape[-1]
        centres = (torch.arange(length, device=line.device) + 0.5) / length
        mean = (line * centres).sum(dim=-1)
        variance = (line * (centres - mean[..., None]) ** 2).sum(dim=-1)
        # A pixel is not a point: its own variance is a twelfth of its squared width.
        moments.append((mean, (12 * variance + length**-2).sqrt()))
    (x, width), (y, height) = moments
    return torch.stack([x, y, width, height], dim=-1).clamp(0, 1)
