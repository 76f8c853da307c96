"""Multi-scale deformable attention as Triton kernels, forward and backward.

A program computes a block of rows; a row is one head of one query with C channels. Rows are
adjacent in the locations, the weights and the result, and heads of a pixel are adjacent in the
values, so threads read and write 16 bytes at a time. All sums are in float32.
"""

import functools

import torch
import triton
import triton.language as tl
from torch import Tensor

from lgrseg.ops.bilinear_kernel import Accumulator, add, corner

ELEMENTS = 1024
"""Rows x channels of a program: 8 elements per thread of 4 warps."""


def forward(
    value: Tensor, shapes: list[int], locations: Tensor, weights: Tensor, softmax: bool
) -> tuple[Tensor, Tensor]:
    """The result (B, Q, M * C), and an empty tensor to save for the backward pass."""
    value, locations, weights = value.contiguous(), locations.contiguous(), weights.contiguous()
    sizes = _Sizes(value, locations)
    out = value.new_empty(sizes.clips, sizes.queries, sizes.heads * sizes.width)
    if out.numel():
        levels = level_table(tuple(shapes), value.device)
        _forward[sizes.grid](
            value, levels, locations, weights, out, *sizes.numbers, softmax, **sizes.constants
        )
    return out, value.new_empty(0)


def backward(
    grad: Tensor,
    out: Tensor,
    _saved: Tensor,
    value: Tensor,
    shapes: list[int],
    locations: Tensor,
    weights: Tensor,
    softmax: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of value, locations and weights."""
    value, locations, weights = value.contiguous(), locations.contiguous(), weights.contiguous()
    sizes = _Sizes(value, locations)
    grad_locations, grad_weights = torch.empty_like(locations), torch.empty_like(weights)
    if not out.numel():
        return torch.zeros_like(value), grad_locations, grad_weights

    def largest_sum() -> Tensor:
        largest = grad.abs().max().float() * sizes.queries * sizes.num_points
        return largest if softmax else largest * weights.abs().max().float()

    grad_value = Accumulator(value, largest_sum)
    levels = level_table(tuple(shapes), value.device)
    _backward[sizes.grid](
        grad, out, value, levels, locations, weights,
        grad_value.sums, grad_value.unit, grad_locations, grad_weights,
        *sizes.numbers, softmax, grad_value.fixed, **sizes.constants,
    )  # fmt: skip
    return grad_value.value(), grad_locations, grad_weights


@functools.lru_cache(maxsize=64)
def level_table(shapes: tuple[int, ...], device: torch.device) -> Tensor:
    """(L, 3) int32: height, width and index of the first value of every level; cached."""
    rows, begin = [], 0
    for height, width in zip(shapes[::2], shapes[1::2], strict=True):
        rows.append((height, width, begin))
        begin += height * width
    with torch.inference_mode(False):
        return torch.tensor(rows, dtype=torch.int32).to(device, non_blocking=True)


class _Sizes:
    def __init__(self, value: Tensor, locations: Tensor):
        self.clips, self.values, self.heads, self.width = value.shape
        self.queries, self.num_levels, points = locations.shape[1], *locations.shape[3:5]
        self.num_points = self.num_levels * points
        channels = triton.next_power_of_2(self.width)
        rows = max(ELEMENTS // channels, 16)
        self.grid = (triton.cdiv(self.queries * self.heads, rows), self.clips)
        self.numbers = (self.queries, self.values)
        self.constants = {
            "M": self.heads, "C": self.width, "L": self.num_levels, "P": points,
            "ROWS": rows, "CHANNELS": channels,
            "SAMPLES": triton.next_power_of_2(self.num_points), "num_warps": 4,
        }  # fmt: skip


@triton.jit
def _rows(Q, M: tl.constexpr, L: tl.constexpr, P: tl.constexpr, ROWS: tl.constexpr):
    """The rows of this program, the index of their first sample, and whether they exist."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    clip = tl.program_id(1).to(tl.int64)
    first = (clip * Q * M + row) * (L * P)
    return clip, row, first, row < Q * M


@triton.jit
def _level(levels, level):
    """Height, width and index of the first value of a level."""
    entry = levels + level * 3
    return tl.load(entry), tl.load(entry + 1), tl.load(entry + 2)


@triton.jit
def _place(locations, sample, exists, width, height):
    """Positions of the samples in pixels of their level; pixel centres are whole numbers."""
    x = tl.load(locations + sample * 2, mask=exists, other=0).to(tl.float32)
    y = tl.load(locations + sample * 2 + 1, mask=exists, other=0).to(tl.float32)
    return x * width - 0.5, y * height - 0.5


@triton.jit
def _softmax_parts(weights, first, exists, SAMPLES: tl.constexpr, COUNT: tl.constexpr):
    """Largest score and sum of exponentials of each row."""
    sample = tl.arange(0, SAMPLES)
    mask = exists[:, None] & (sample < COUNT)[None, :]
    scores = tl.load(weights + first[:, None] + sample[None, :], mask=mask, other=float("-inf"))
    scores = tl.where(exists[:, None], scores.to(tl.float32), 0.0)
    largest = tl.max(scores, axis=1)
    return largest, tl.sum(tl.exp(scores - largest[:, None]), axis=1)


@triton.jit
def _forward(
    value, levels, locations, weights, out, Q, S, SOFTMAX: tl.constexpr,
    M: tl.constexpr, C: tl.constexpr, L: tl.constexpr, P: tl.constexpr,
    ROWS: tl.constexpr, CHANNELS: tl.constexpr, SAMPLES: tl.constexpr,
):  # fmt: skip
    clip, row, first, exists = _rows(Q, M, L, P, ROWS)
    channel = tl.arange(0, CHANNELS)
    inside = exists[:, None] & (channel < C)[None, :]
    if SOFTMAX:
        largest, total = _softmax_parts(weights, first, exists, SAMPLES, L * P)
    head = row % M
    sums = tl.zeros((ROWS, CHANNELS), tl.float32)
    for level in range(L):
        height, width, begin = _level(levels, level)
        image = value + (clip * S + begin) * (M * C) + head * C
        for point in tl.static_range(P):
            sample = first + level * P + point
            x, y = _place(locations, sample, exists, width, height)
            weight = tl.load(weights + sample, mask=exists, other=0).to(tl.float32)
            if SOFTMAX:
                weight = tl.exp(weight - largest) / total
            read = tl.zeros((ROWS, CHANNELS), tl.float32)
            for below in tl.static_range(2):
                line, line_weight, _, line_exists = corner(y, below, height)
                for right in tl.static_range(2):
                    column, column_weight, _, valid = corner(x, right, width)
                    valid = inside & (valid & line_exists)[:, None]
                    offset = (line * width + column) * (M * C)
                    values = tl.load(
                        image[:, None] + offset[:, None] + channel[None, :], mask=valid, other=0
                    )
                    read += (line_weight * column_weight)[:, None] * values.to(tl.float32)
            sums += weight[:, None] * read
    target = out + (clip * Q * M + row)[:, None] * C + channel[None, :]
    tl.store(target, sums.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _backward(
    grad, out, value, levels, locations, weights, grad_value, unit, grad_locations, grad_weights,
    Q, S, SOFTMAX: tl.constexpr, FIXED: tl.constexpr,
    M: tl.constexpr, C: tl.constexpr, L: tl.constexpr, P: tl.constexpr,
    ROWS: tl.constexpr, CHANNELS: tl.constexpr, SAMPLES: tl.constexpr,
):  # fmt: skip
    clip, row, first, exists = _rows(Q, M, L, P, ROWS)
    channel = tl.arange(0, CHANNELS)
    inside = exists[:, None] & (channel < C)[None, :]
    element = (clip * Q * M + row)[:, None] * C + channel[None, :]
    incoming = tl.load(grad + element, mask=inside, other=0).to(tl.float32)
    if SOFTMAX:
        largest, total = _softmax_parts(weights, first, exists, SAMPLES, L * P)
        # Common part of all score gradients: the sum over samples of weight x gradient.
        result = tl.load(out + element, mask=inside, other=0).to(tl.float32)
        common = tl.sum(incoming * result, axis=1)
    head = row % M
    for level in range(L):
        height, width, begin = _level(levels, level)
        image = (clip * S + begin) * (M * C) + head * C
        for point in tl.static_range(P):
            sample = first + level * P + point
            x, y = _place(locations, sample, exists, width, height)
            weight = tl.load(weights + sample, mask=exists, other=0).to(tl.float32)
            if SOFTMAX:
                weight = tl.exp(weight - largest) / total
            to_weight = tl.zeros((ROWS,), tl.float32)
            to_x = tl.zeros((ROWS,), tl.float32)
            to_y = tl.zeros((ROWS,), tl.float32)
            for below in tl.static_range(2):
                line, line_weight, line_slope, line_exists = corner(y, below, height)
                for right in tl.static_range(2):
                    column, column_weight, column_slope, valid = corner(x, right, width)
                    valid = inside & (valid & line_exists)[:, None]
                    pointers = image + (line * width + column) * (M * C)
                    pointers = pointers[:, None] + channel[None, :]
                    values = tl.load(value + pointers, mask=valid, other=0).to(tl.float32)
                    match = tl.sum(incoming * values, axis=1)
                    to_weight += line_weight * column_weight * match
                    to_x += line_weight * column_slope * match
                    to_y += line_slope * column_weight * match
                    share = (weight * line_weight * column_weight)[:, None] * incoming
                    add(grad_value + pointers, share, unit, valid, FIXED)
            dtype = grad_locations.dtype.element_ty
            tl.store(grad_locations + sample * 2, (weight * to_x * width).to(dtype), mask=exists)
            tl.store(
                grad_locations + sample * 2 + 1, (weight * to_y * height).to(dtype), mask=exists
            )
            if SOFTMAX:
                to_weight = weight * (to_weight - common)
            tl.store(
                grad_weights + sample, to_weight.to(grad_weights.dtype.element_ty), mask=exists
            )
