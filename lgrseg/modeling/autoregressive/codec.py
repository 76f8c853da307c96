"""The two networks of a mask tokenizer: label map to one vector per patch, and back.

`CellShares` and `CellUpsampler` are those of the plain alternative, one class index per cell.

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

    stride = STRIDE

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


class CellShares(nn.Module):
    """Mean shares of the classes in cells, without learning."""

    def __init__(self, *, stride: int = 8):
        super().__init__()
        self.stride = stride

    def forward(self, shares: Tensor) -> Tensor:
        """(N, K + 1, H, W) -> (N, K + 1, h, w)."""
        return F.avg_pool2d(shares, self.stride)


class CellUpsampler(nn.Module):
    """Class codes (N, K + 1, h, w) to scores of pixels, for the tokens of `ClassIndices`.

    Before training, the score is that of the cell, as in nearest-neighbour interpolation; learned
    corrections from neighbouring cells are added.
    """

    def __init__(self, *, num_classes: int, stride: int = 8, width: int = 64, certainty: float = 8):
        """`certainty` is the score of the class of a cell before training; others have 0."""
        super().__init__()
        self.stride, self.certainty = stride, certainty
        last = nn.Conv2d(width, stride**2 * (num_classes + 1), 1)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        self.corrections = nn.Sequential(
            nn.Conv2d(num_classes + 1, width, 1),
            Residual(width, kernel_size=3),
            Residual(width, kernel_size=3),
            ChannelNorm(width),
            last,
            nn.PixelShuffle(stride),
        )

    def forward(self, codes: Tensor) -> Tensor:
        """(N, K + 1, h, w) -> (N, K + 1, H, W)."""
        nearest = F.interpolate(codes, scale_factor=self.stride, mode="nearest")
        return self.certainty * nearest + self.corrections(codes)


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
