"""What the heads are made of: convolution, group norm, ReLU; and maps brought to a size.

Group norm, not batch norm: a process sees few clips at a time, and with batch statistics two
processes of two clips would not learn what one of four does.
"""

import torch.nn.functional as F
from torch import Tensor, nn

NUM_GROUPS = 8


def conv_norm_relu(before: int, after: int, kernel: int = 3) -> nn.Sequential:
    """(N, before, h, w) -> (N, after, h, w).

    Raises:
        ValueError: `after` is not a multiple of 8, the number of groups.
    """
    if after % NUM_GROUPS:
        raise ValueError(f"the width of a head is a multiple of {NUM_GROUPS}, not {after}")
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False),
        nn.GroupNorm(NUM_GROUPS, after),
        nn.ReLU(),
    )


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, C, h, w) -> (N, C, *size), bilinear."""
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size, mode="bilinear", align_corners=False)


def enlarged(maps: Tensor, factor: int) -> Tensor:
    """(N, C, h, w) -> (N, C, factor * h, factor * w), bilinear: without parameters."""
    return resized(maps, (maps.shape[-2] * factor, maps.shape[-1] * factor))
