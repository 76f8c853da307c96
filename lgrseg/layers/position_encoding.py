"""Sine position encodings of time, of the image plane, of both, and of patches.

Source: Vaswani et al., 2017, section 3.5; the plane: DETR (ECCV 2020), appendix; time and plane
added: Mask2Former for video (arXiv 2112.10764). There positions 1 to N are spread over one circle
of 2 pi, so the encoding describes the relative position, for any length of clip or size of frame.
"""

import math

import torch
from einops import rearrange
from torch import Tensor


def sine_position_1d(length: int, dim: int, device=None) -> Tensor:
    """Encode the positions along one axis: (length, dim).

    position p of N becomes x = 2 pi p / (N + 1e-6); channel i is sin(x / w) for even i and
    cos(x / w) for odd i, w = 10000 ** (2 (i // 2) / dim).
    """
    position = torch.arange(1, length + 1, device=device, dtype=torch.float32)
    return _waves(position / (length + 1e-6), dim)


def sine_time(times: Tensor, dim: int, period: float) -> Tensor:
    """Encode the times of frames, so that the time between two frames can be computed.

    Indices within a clip are the same for consecutive frames and for frames spread over a
    recording, so they do not encode time. Here frame t is at (t - t of the first frame) / period
    turns of the circle of `sine_position_1d`: the fastest wave has the period `period`, and slower
    waves separate larger distances.

    Args:
        times: (B, T) times of the frames, in the unit of `period`.
        dim: number D of channels.
        period: period of the fastest wave, above 0.

    Returns:
        (B, T, D) encodings.
    """
    return _waves((times - times[:, :1]).float() / period, dim)


def _waves(turns: Tensor, dim: int) -> Tensor:
    channel = torch.arange(dim, device=turns.device)
    wave = 10_000 ** (2 * (channel // 2) / dim)
    phase = 2 * math.pi * turns[..., None] / wave
    return torch.where(channel % 2 == 0, phase.sin(), phase.cos())


def sine_position_2d(height: int, width: int, dim: int, device=None) -> Tensor:
    """Encode rows in half of the channels and columns in the other half: (dim, height, width)."""
    rows = sine_position_1d(height, dim // 2, device)[:, None].expand(-1, width, -1)
    columns = sine_position_1d(width, dim // 2, device)[None].expand(height, -1, -1)
    return rearrange(torch.cat([rows, columns], dim=-1), "h w d -> d h w")


def sine_patches(side: int, dim: int) -> Tensor:
    """Encode the patches of a square image, and a class token: (1 + side * side, dim).

    Here patch p of a row is at p, not at a part of a circle. The channels of a patch are
    [sin x w, cos x w, sin y w, cos y w] with w = 10000 ** (-4 i / dim) for i = 0 to dim / 4 - 1;
    those of the class token, which is the first, are 0. Source: He et al., "Masked Autoencoders Are
    Scalable Vision Learners", CVPR 2022 (its public code puts columns before rows).

    Args:
        side: number of patches in a row and in a column.
        dim: number of channels, a multiple of 4.
    """
    frequencies = 10_000 ** -(torch.arange(dim // 4, dtype=torch.float64) * 4 / dim)
    phase = torch.arange(side)[:, None] * frequencies
    waves = torch.cat([phase.sin(), phase.cos()], dim=1)
    columns, rows = waves.expand(side, -1, -1), waves[:, None].expand(-1, side, -1)
    patches = torch.cat([columns, rows], dim=-1).flatten(0, 1)
    return torch.cat([torch.zeros(1, dim), patches.float()])
