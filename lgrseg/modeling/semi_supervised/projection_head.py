"""The projection head of self-distillation: similarities of tokens with learned prototypes.

Source: Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021.

Letters: D width, K prototypes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lgrseg.layers.numerics import at_least_float32


class ProjectionHead(nn.Module):
    """Three linear layers, normalisation, and cosine similarity to K prototypes."""

    def __init__(self, *, dim: int, hidden_dim: int, bottleneck_dim: int, num_prototypes: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(dim),
            nn.Linear(dim, hidden_dim),
            nn.GELU(),
            nn.Linear(hidden_dim, hidden_dim),
            nn.GELU(),
            nn.Linear(hidden_dim, bottleneck_dim),
        )
        self.prototypes = nn.Parameter(torch.randn(num_prototypes, bottleneck_dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """Compute cosine similarities (..., K) of tokens (..., D)."""
        projected = at_least_float32(self.layers(tokens))
        # Cosines in bfloat16 have three digits, too few after division by the temperature.
        with torch.autocast(tokens.device.type, enabled=False):
            return F.normalize(projected, dim=-1) @ F.normalize(self.prototypes, dim=-1).T
