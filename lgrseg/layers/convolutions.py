"""Blocks of the heads: convolution with group norm and ReLU, and resizing of feature maps.

Group norm is used instead of batch norm because a batch has few clips, and because with batch
statistics two processes with two clips would not train like one process with four.
"""

import torch.nn.functional as F
from torch import Tensor, nn

NUM_GROUPS = 8


def conv_norm_relu(
    in_channels: int, out_channels: int, kernel: int = 3, *, dilation: int = 1
) -> nn.Sequential:
    """Convolution, group norm and ReLU: (N, in_channels, h, w) -> (N, out_channels, h, w).

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of the result, a multiple of 8.
        kernel: side of the kernel, odd.
        dilation: distance between the weights of the kernel, in positions.

    Raises:
        ValueError: `out_channels` is not a multiple of 8, the number of groups.
    """
    if out_channels % NUM_GROUPS:
        raise ValueError(
            f"the width of a head must be a multiple of {NUM_GROUPS}, not {out_channels}"
        )
    return nn.Sequential(
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel,
            padding=dilation * (kernel // 2),
            dilation=dilation,
            bias=False,
        ),
        nn.GroupNorm(NUM_GROUPS, out_channels),
        nn.ReLU(),
    )


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (N, C, h, w) to (N, C, *size), bilinear."""
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size, mode="bilinear", align_corners=False)


def enlarged(maps: Tensor, factor: int) -> Tensor:
    """Enlarge (N, C, h, w) to (N, C, factor * h, factor * w), bilinear, without parameters."""
    return resized(maps, (maps.shape[-2] * factor, maps.shape[-1] * factor))
