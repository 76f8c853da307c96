"""Dropout whose random numbers are of the clip, as those of stochastic depth are."""

import torch
from torch import Tensor, nn


class ChannelDropout(nn.Module):
    """Leaves whole channels of an image's map out; what stays is scaled up to keep the mean.

    Whole channels, because neighbouring pixels of a map say nearly the same: single ones would be
    filled in by the next convolution.
    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks", CVPR 2015.
    """

    def __init__(self, num_channels: int, rate: float):
        """`rate` is the probability of being left out.

        Raises:
            ValueError: a rate that is not of 0 to below 1.
        """
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"a dropout rate is 0 or more and below 1, not {rate}")
        self.num_channels, self.rate = num_channels, rate
        self.drawn: Tensor | None = None
        """(N, C) uniform numbers for the next images; None draws them from torch's state."""

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, h, w), or tokens (N, C), -> the same shape; unchanged outside training."""
        if not self.training or self.rate == 0:
            return maps
        drawn = self.drawn
        if drawn is None:
            drawn = torch.rand(maps.shape[:2], device=maps.device)
        kept = ((drawn >= self.rate) / (1 - self.rate)).to(maps)
        return maps * kept.reshape(*kept.shape, *[1] * (maps.dim() - 2))


def draw_channel_dropout(
    module: nn.Module, generators: list[torch.Generator], num_frames: int
) -> None:
    """Draw for the coming images, `num_frames` of each clip, from the clips' own generators."""
    for part in module.modules():
        if isinstance(part, ChannelDropout) and part.rate > 0:
            size = (num_frames, part.num_channels)
            part.drawn = torch.cat(
                [torch.rand(size, generator=g, device=g.device) for g in generators]
            )
