"""The two networks of a mask tokenizer: label map to one vector per patch, and back.

Letters: N masks, K classes, D size of a code; a patch has `STRIDE` x `STRIDE` pixels.
"""

import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 16
"""Height and width of the patch of one token, in pixels."""


class ChannelNorm(nn.LayerNorm):
    """Normalises the channels of every pixel separately; neighbours have no effect."""

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape."""
        return super().forward(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class PatchEncoder(nn.Sequential):
    """Class shares (N, K + 1, H, W) to vectors (N, D, H / 16, W / 16).

    Each patch is encoded alone: kernels are as large as strides, and norms are over channels. So
    equal patches always have equal vectors. With context, a plain background gets many codes.
    """

    def __init__(self, *, num_classes: int, dim: int, width: int = 48):
        super().__init__(
            nn.Conv2d(num_classes + 1, width, 4, stride=4),
            ChannelNorm(width),
            nn.GELU(),
            nn.Conv2d(width, 2 * width, 2, stride=2),
            ChannelNorm(2 * width),
            nn.GELU(),
            nn.Conv2d(2 * width, 4 * width, 2, stride=2),
            Residual(4 * width, kernel_size=1),
            ChannelNorm(4 * width),
            nn.Conv2d(4 * width, dim, 1),
        )


class ContextDecoder(nn.Sequential):
    """Codes (N, D, h, w) to scores (N, K + 1, 16 h, 16 w); neighbouring patches are context."""

    def __init__(self, *, num_classes: int, dim: int, width: int = 32):
        super().__init__(
            nn.Conv2d(dim, 4 * width, 1),
            Residual(4 * width, kernel_size=3),
            Residual(4 * width, kernel_size=3),
            nn.Conv2d(4 * width, 8 * width, 1),
            nn.PixelShuffle(2),
            Residual(2 * width, kernel_size=3),
            nn.Conv2d(2 * width, 4 * width, 1),
            nn.PixelShuffle(2),
            Residual(width, kernel_size=3),
            ChannelNorm(width),
            nn.Conv2d(width, 16 * (num_classes + 1), 1),
            nn.PixelShuffle(4),
        )


class Residual(nn.Module):
    """Norm, convolution, GELU and a 1 x 1 convolution, added to the input."""

    def __init__(self, channels: int, *, kernel_size: int):
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.spread = nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2)
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape."""
        return maps + self.mix(F.gelu(self.spread(self.norm(maps))))
