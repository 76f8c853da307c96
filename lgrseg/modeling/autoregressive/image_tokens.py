"""Image tokens: all maps of a backbone, merged at the stride of the mask tokens."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lgrseg.modeling.autoregressive.codec import STRIDE, ChannelNorm


class ImageTokens(nn.Module):
    """Sums linear projections of all maps: fine maps patch by patch, coarse maps interpolated.

    A fine map is projected with all of its pixels in a patch, so contours keep their place.
    """

    def __init__(
        self,
        *,
        channels: Mapping[str, int],
        strides: Mapping[str, int],
        width: int = 192,
        stride: int = STRIDE,
    ):
        """Build the projections.

        Args:
            channels: channels of each map of the backbone, by name.
            strides: strides of these maps; each divides the stride of the tokens, or is a
                multiple of it.
            width: width of an image token.
            stride: stride of the image tokens, which is that of the mask tokens.

        Raises:
            ValueError: a stride of a map does not match.
        """
        super().__init__()
        wrong = {k: s for k, s in strides.items() if stride % s and s % stride}
        if wrong or set(channels) != set(strides):
            raise ValueError(
                f"strides {dict(strides)} of the maps {', '.join(channels)} must divide {stride}, "
                "or be multiples of it"
            )
        self.in_channels, self.width, self.stride = dict(channels), width, stride
        self.project = nn.ModuleDict()
        for name, count in channels.items():
            side = max(1, stride // strides[name])
            self.project[name] = nn.Conv2d(count, width, side, stride=side)
        self.norm = ChannelNorm(width)

    def forward(self, features: Mapping[str, Tensor], grid: tuple[int, int]) -> Tensor:
        """Maps by name, each (N, C, h', w') -> image tokens (N, D, h, w) of a grid."""
        maps = [project(features[name]) for name, project in self.project.items()]
        maps = [
            each
            if each.shape[-2:] == grid
            else F.interpolate(each, grid, mode="bilinear", align_corners=False)
            for each in maps
        ]
        return self.norm(torch.stack(maps).sum(dim=0))
