"""Point sampling as Triton kernels, forward and backward.

A program computes a block of points of one map and loops over its channels.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from lgrseg.ops.bilinear_kernel import Accumulator, add, corner

POINTS = 256
"""Number of points of a program."""


def forward(maps: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """The values (N, C, P), and an empty tensor to save."""
    maps, points = maps.contiguous(), points.contiguous()
    out = maps.new_empty(*maps.shape[:2], points.shape[1])
    if out.numel():
        _forward[_grid(points)](maps, points, out, *_numbers(maps, points), POINTS=POINTS)
    return out, maps.new_empty(0)


def backward(
    grad: Tensor, _out: Tensor, _saved: Tensor, maps: Tensor, points: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of maps and points."""
    maps, points = maps.contiguous(), points.contiguous()
    to_points = torch.zeros_like(points)
    if not grad.numel():
        return torch.zeros_like(maps), to_points
    to_maps = Accumulator(maps, lambda: grad.abs().max().float() * points.shape[1])
    _backward[_grid(points)](
        grad, maps, points, to_maps.sums, to_maps.unit, to_points, *_numbers(maps, points),
        FIXED=to_maps.fixed, POINTS=POINTS,
    )  # fmt: skip
    return to_maps.value(), to_points


def _grid(points: Tensor) -> tuple[int, int]:
    return triton.cdiv(points.shape[1], POINTS), len(points)


def _numbers(maps: Tensor, points: Tensor) -> tuple[int, ...]:
    return *maps.shape[1:], points.shape[1]


@triton.jit
def _places(points, H, W, P, POINTS: tl.constexpr):
    """Map and points of this program, their memory offset, and their positions in pixels."""
    point = tl.program_id(0) * POINTS + tl.arange(0, POINTS)
    number = tl.program_id(1).to(tl.int64)
    exists = point < P
    offset = (number * P + point) * 2
    x = tl.load(points + offset, mask=exists, other=0).to(tl.float32) * W - 0.5
    y = tl.load(points + offset + 1, mask=exists, other=0).to(tl.float32) * H - 0.5
    return number, point, offset, exists, x, y


@triton.jit
def _forward(maps, points, out, C, H, W, P, POINTS: tl.constexpr):
    number, point, offset, exists, x, y = _places(points, H, W, P, POINTS)
    channel = number * 0
    while channel < C:
        image = maps + (number * C + channel) * H * W
        sums = tl.zeros((POINTS,), tl.float32)
        for below in tl.static_range(2):
            line, line_weight, _, line_exists = corner(y, below, H)
            for right in tl.static_range(2):
                column, column_weight, _, valid = corner(x, right, W)
                mask = exists & valid & line_exists
                values = tl.load(image + line * W + column, mask=mask, other=0)
                sums += line_weight * column_weight * values.to(tl.float32)
        target = out + (number * C + channel) * P + point
        tl.store(target, sums.to(out.dtype.element_ty), mask=exists)
        channel += 1


@triton.jit
def _backward(
    grad, maps, points, to_maps, unit, to_points, C, H, W, P,
    FIXED: tl.constexpr, POINTS: tl.constexpr,
):  # fmt: skip
    number, point, offset, exists, x, y = _places(points, H, W, P, POINTS)
    to_x = tl.zeros((POINTS,), tl.float32)
    to_y = tl.zeros((POINTS,), tl.float32)
    channel = number * 0
    while channel < C:
        image = (number * C + channel) * H * W
        incoming = tl.load(grad + (number * C + channel) * P + point, mask=exists, other=0)
        incoming = incoming.to(tl.float32)
        for below in tl.static_range(2):
            line, line_weight, line_slope, line_exists = corner(y, below, H)
            for right in tl.static_range(2):
                column, column_weight, column_slope, valid = corner(x, right, W)
                mask = exists & valid & line_exists
                pixel = image + line * W + column
                values = tl.load(maps + pixel, mask=mask, other=0).to(tl.float32) * incoming
                to_x += line_weight * column_slope * values
                to_y += line_slope * column_weight * values
                add(to_maps + pixel, line_weight * column_weight * incoming, unit, mask, FIXED)
        channel += 1
    dtype = to_points.dtype.element_ty
    tl.store(to_points + offset, (to_x * W).to(dtype), mask=exists)
    tl.store(to_points + offset + 1, (to_y * H).to(dtype), mask=exists)
