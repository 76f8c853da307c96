"""Channel dropout with random numbers from the generator of the clip, as in stochastic depth."""

import torch
from torch import Tensor, nn


class ChannelDropout(nn.Module):
    """Sets whole channels of a feature map to 0; the others are scaled up to keep the mean.

    Whole channels are dropped because neighbouring pixels are correlated: the next convolution
    could restore single dropped pixels.
    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks", CVPR 2015.
    """

    def __init__(self, num_channels: int, rate: float):
        """`rate` is the probability that a channel is dropped.

        Raises:
            ValueError: the rate is below 0, or 1 or more.
        """
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"a dropout rate must be at least 0 and below 1, not {rate}")
        self.num_channels, self.rate = num_channels, rate
        self.drawn: Tensor | None = None
        """(N, C) uniform random numbers for the next images; None: torch's global generator."""

    def forward(self, maps: Tensor) -> Tensor:
        """Drop channels of (N, C, h, w) or (N, C) during training; otherwise return the input."""
        if not self.training or self.rate == 0:
            return maps
        uniform = self.drawn
        if uniform is None:
            uniform = torch.rand(maps.shape[:2], device=maps.device)
        scale = ((uniform >= self.rate) / (1 - self.rate)).to(maps)
        return maps * scale.reshape(*scale.shape, *[1] * (maps.dim() - 2))


def draw_channel_dropout(
    module: nn.Module, generators: list[torch.Generator], num_frames: int
) -> None:
    """Draw random numbers for the next `num_frames` images of each clip, from its generator."""
    for part in module.modules():
        if isinstance(part, ChannelDropout) and part.rate > 0:
            size = (num_frames, part.num_channels)
            part.drawn = torch.cat(
                [torch.rand(size, generator=g, device=g.device) for g in generators]
            )
