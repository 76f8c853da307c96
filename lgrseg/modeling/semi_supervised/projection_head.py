"""The projection head of self-distillation: similarities of tokens with learned prototypes.

Source: Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021,
appendix C. Its weights have a deviation of 0.02 at first, and the prototypes have no bias.

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
            nn.Linear(dim, hidden_dim),
            nn.GELU(),
            nn.Linear(hidden_dim, hidden_dim),
            nn.GELU(),
            nn.Linear(hidden_dim, bottleneck_dim),
        )
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        self.prototypes = nn.Parameter(torch.randn(num_prototypes, bottleneck_dim))

    def forward(self, tokens: Tensor, *, hold_prototypes: bool = False) -> Tensor:
        """Compute cosine similarities (..., K) of tokens (..., D).

        With `hold_prototypes` the gradient of the prototypes is 0.
        """
        projected = at_least_float32(self.layers(tokens))
        # With several processes, torch needs a gradient of every parameter, so 0 and not None.
        prototypes: Tensor = self.prototypes
        if hold_prototypes:
            prototypes = prototypes.detach() + 0 * prototypes
        # Cosines in bfloat16 have three digits, too few after division by the temperature.
        with torch.autocast(tokens.device.type, enabled=False):
            return F.normalize(projected, dim=-1) @ F.normalize(prototypes, dim=-1).T
