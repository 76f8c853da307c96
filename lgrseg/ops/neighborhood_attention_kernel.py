"""Neighbourhood attention as Triton kernels, forward and backward, without copies of the keys.

A program computes a block of rows; a row is one head of one pixel with C channels. The softmax is
computed online over the window, so no scores are stored. In the backward pass, one kernel sums
for every query over the keys of its window. Another sums for every key over the queries that attend
to it. There are no atomic additions, so results are the same in every run.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

ELEMENTS = 1024
"""Rows x channels of a program."""


def forward(
    query: Tensor, key: Tensor, value: Tensor, kernel_size: int, dilation: int
) -> tuple[Tensor, Tensor]:
    """The result (N, H, W, M, C), and the logarithm of the softmax denominator of every row."""
    query, key, value = (_readable(x) for x in (query, key, value))
    out = query.new_empty(query.shape)
    logsum = query.new_empty(query.shape[:-1], dtype=torch.float32)
    if out.numel():
        grid, sizes = _sizes(query, kernel_size, dilation)
        _forward[grid](
            query, key, value, out, logsum, *_steps(query), *_steps(key), *_steps(value), **sizes
        )
    return out, logsum


def backward(
    grad: Tensor,
    out: Tensor,
    logsum: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    kernel_size: int,
    dilation: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of query, key and value."""
    query, key, value = (_readable(x) for x in (query, key, value))
    to_query, to_key, to_value = (query.new_empty(query.shape) for _ in range(3))
    if out.numel():
        grid, sizes = _sizes(query, kernel_size, dilation)
        steps = *_steps(query), *_steps(key), *_steps(value)
        # Common part of the score gradients of a row: the sum of probability x gradient.
        common = (grad.float() * out.float()).sum(-1)
        _backward_queries[grid](grad, query, key, value, logsum, common, to_query, *steps, **sizes)
        _backward_keys[grid](
            grad, query, key, value, logsum, common, to_key, to_value, *steps, **sizes
        )
    return to_query, to_key, to_value


def _readable(x: Tensor) -> Tensor:
    """Make heads and channels of a pixel contiguous; pixels and maps may have any stride."""
    return x if x.stride(-1) == 1 and x.stride(-2) == x.shape[-1] else x.contiguous()


def _steps(x: Tensor) -> tuple[int, int, int]:
    return x.stride(0), x.stride(1), x.stride(2)


def _sizes(query: Tensor, kernel_size: int, dilation: int):
    maps, height, width, heads, width_of_head = query.shape
    channels = triton.next_power_of_2(width_of_head)
    rows = max(ELEMENTS // channels, 16)
    grid = (triton.cdiv(height * width * heads, rows), maps)
    return grid, {
        "H": height, "W": width, "M": heads, "C": width_of_head, "K": kernel_size,
        "DILATION": dilation, "ROWS": rows, "CHANNELS": channels, "num_warps": 4,
    }  # fmt: skip


@triton.jit
def _window(position, side, K: tl.constexpr, DILATION: tl.constexpr):
    """First pixel that a query at `position` attends to, and their number, DILATION apart."""
    residue = position % DILATION
    members = (side - residue + DILATION - 1) // DILATION
    first = tl.minimum(position // DILATION - K // 2, members - K)
    first = tl.maximum(first, 0)
    return first * DILATION + residue, tl.minimum(members, K)


@triton.jit
def _attended_from(position, side, K: tl.constexpr, DILATION: tl.constexpr):
    """First query that attends to a key at `position`, and their number, DILATION apart.

    Windows are shifted inward at the ends, so queries farther away attend to those pixels.
    """
    residue = position % DILATION
    members = (side - residue + DILATION - 1) // DILATION
    index = position // DILATION
    first = tl.where(index < K, 0, index - K // 2)
    last = tl.where(index >= members - K, members - 1, index + K // 2)
    return first * DILATION + residue, last - first + 1


@triton.jit
def _rows(H, W, M: tl.constexpr, C: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr):
    """Line, column and head of this program's rows, and the mask of its existing elements."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    exists = row < H * W * M
    pixel = row // M
    inside = exists[:, None] & (tl.arange(0, CHANNELS) < C)[None, :]
    return row, pixel // W, pixel % W, row % M, inside


@triton.jit
def _read(
    base, map_step, line_step, pixel_step, line, column, head, mask,
    C: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Read rows (ROWS, CHANNELS) of a map in float32."""
    at = tl.program_id(1).to(tl.int64) * map_step + line * line_step + column * pixel_step
    at = (at + head * C)[:, None] + tl.arange(0, CHANNELS)[None, :]
    return tl.load(base + at, mask=mask, other=0).to(tl.float32)


@triton.jit
def _tap(tap, first_line, lines, first_column, columns, SIDE: tl.constexpr, DILATION: tl.constexpr):
    """Whether a pixel of a SIDE x SIDE window exists, its line and its column."""
    valid = (tap // SIDE < lines) & (tap % SIDE < columns)
    return valid, first_line + (tap // SIDE) * DILATION, first_column + (tap % SIDE) * DILATION


@triton.jit
def _forward(
    query, key, value, out, logsum,
    query_map, query_line, query_pixel, key_map, key_line, key_pixel,
    value_map, value_line, value_pixel,
    H, W, M: tl.constexpr, C: tl.constexpr, K: tl.constexpr, DILATION: tl.constexpr,
    ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    row, line, column, head, inside = _rows(H, W, M, C, ROWS, CHANNELS)
    queries = _read(
        query, query_map, query_line, query_pixel, line, column, head, inside, C, CHANNELS
    )
    queries *= 1.0 / tl.sqrt(C * 1.0)
    first_line, lines = _window(line, H, K, DILATION)
    first_column, columns = _window(column, W, K, DILATION)
    largest = tl.full((ROWS,), float("-inf"), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    sums = tl.zeros((ROWS, CHANNELS), tl.float32)
    for tap in range(K * K):
        valid, y, x = _tap(tap, first_line, lines, first_column, columns, K, DILATION)
        mask = inside & valid[:, None]
        keys = _read(key, key_map, key_line, key_pixel, y, x, head, mask, C, CHANNELS)
        values = _read(value, value_map, value_line, value_pixel, y, x, head, mask, C, CHANNELS)
        score = tl.where(valid, tl.sum(queries * keys, axis=1), float("-inf"))
        # The first pixel of a window always exists, so the largest score is finite.
        above = tl.maximum(largest, score)
        faded = tl.exp(largest - above)
        share = tl.exp(score - above)
        total = total * faded + share
        sums = sums * faded[:, None] + share[:, None] * values
        largest = above
    at = tl.program_id(1).to(tl.int64) * (H * W * M) + row
    target = out + at[:, None] * C + tl.arange(0, CHANNELS)[None, :]
    tl.store(target, (sums / total[:, None]).to(out.dtype.element_ty), mask=inside)
    tl.store(logsum + at, largest + tl.log(total), mask=row < H * W * M)


@triton.jit
def _backward_queries(
    grad, query, key, value, logsum, common, to_query,
    query_map, query_line, query_pixel, key_map, key_line, key_pixel,
    value_map, value_line, value_pixel,
    H, W, M: tl.constexpr, C: tl.constexpr, K: tl.constexpr, DILATION: tl.constexpr,
    ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    row, line, column, head, inside = _rows(H, W, M, C, ROWS, CHANNELS)
    scale = 1.0 / tl.sqrt(C * 1.0)
    queries = _read(
        query, query_map, query_line, query_pixel, line, column, head, inside, C, CHANNELS
    )
    at = tl.program_id(1).to(tl.int64) * (H * W * M) + row
    element = at[:, None] * C + tl.arange(0, CHANNELS)[None, :]
    incoming = tl.load(grad + element, mask=inside, other=0).to(tl.float32)
    log_total = tl.load(logsum + at, mask=row < H * W * M, other=0)
    shared = tl.load(common + at, mask=row < H * W * M, other=0)
    first_line, lines = _window(line, H, K, DILATION)
    first_column, columns = _window(column, W, K, DILATION)
    sums = tl.zeros((ROWS, CHANNELS), tl.float32)
    for tap in range(K * K):
        valid, y, x = _tap(tap, first_line, lines, first_column, columns, K, DILATION)
        mask = inside & valid[:, None]
        keys = _read(key, key_map, key_line, key_pixel, y, x, head, mask, C, CHANNELS)
        values = _read(value, value_map, value_line, value_pixel, y, x, head, mask, C, CHANNELS)
        share = tl.exp(tl.sum(queries * keys, axis=1) * scale - log_total)
        to_score = tl.where(valid, share * (tl.sum(incoming * values, axis=1) - shared), 0.0)
        sums += (to_score * scale)[:, None] * keys
    tl.store(to_query + element, sums.to(to_query.dtype.element_ty), mask=inside)


@triton.jit
def _backward_keys(
    grad, query, key, value, logsum, common, to_key, to_value,
    query_map, query_line, query_pixel, key_map, key_line, key_pixel,
    value_map, value_line, value_pixel,
    H, W, M: tl.constexpr, C: tl.constexpr, K: tl.constexpr, DILATION: tl.constexpr,
    ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    row, line, column, head, inside = _rows(H, W, M, C, ROWS, CHANNELS)
    scale = 1.0 / tl.sqrt(C * 1.0)
    keys = _read(key, key_map, key_line, key_pixel, line, column, head, inside, C, CHANNELS)
    values = _read(
        value, value_map, value_line, value_pixel, line, column, head, inside, C, CHANNELS
    )
    channel = tl.arange(0, CHANNELS)[None, :]
    begin = tl.program_id(1).to(tl.int64) * (H * W * M)
    first_line, lines = _attended_from(line, H, K, DILATION)
    first_column, columns = _attended_from(column, W, K, DILATION)
    key_sums = tl.zeros((ROWS, CHANNELS), tl.float32)
    value_sums = tl.zeros((ROWS, CHANNELS), tl.float32)
    REACH: tl.constexpr = 2 * K - 1  # on an axis of length K, all attend to all
    for tap in range(REACH * REACH):
        valid, y, x = _tap(tap, first_line, lines, first_column, columns, REACH, DILATION)
        mask = inside & valid[:, None]
        queries = _read(query, query_map, query_line, query_pixel, y, x, head, mask, C, CHANNELS)
        at = begin + (y * W + x) * M + head
        incoming = tl.load(grad + at[:, None] * C + channel, mask=mask, other=0).to(tl.float32)
        real = valid & (row < H * W * M)
        log_total = tl.load(logsum + at, mask=real, other=0)
        shared = tl.load(common + at, mask=real, other=0)
        share = tl.exp(tl.sum(queries * keys, axis=1) * scale - log_total)
        share = tl.where(real, share, 0.0)
        value_sums += share[:, None] * incoming
        to_score = share * (tl.sum(incoming * values, axis=1) - shared) * scale
        key_sums += to_score[:, None] * queries
    element = (begin + row)[:, None] * C + channel
    tl.store(to_key + element, key_sums.to(to_key.dtype.element_ty), mask=inside)
    tl.store(to_value + element, value_sums.to(to_value.dtype.element_ty), mask=inside)
