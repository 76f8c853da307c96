"""A Hilbert-like order of the cells of any rectangle: consecutive cells are neighbours.

Source: Cerveny, "gilbert: space-filling curve for rectangular domains of arbitrary size"; the
recursion splits the longer side, into even parts if possible, until one row or column is left.
"""

import functools

import torch
from torch import Tensor


def hilbert_order(height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Order the cells of a (height, width) grid along the curve.

    It starts in cell (0, 0) and ends in row 0, last column. Each step goes to a neighbour; for some
    parities of the sides one step is diagonal.

    Returns:
        (height * width,) int64: entry k is y * width + x of the k-th cell. The tensor is cached; do
        not modify it.

    Raises:
        ValueError: a side is below 1.
    """
    if height < 1 or width < 1:
        raise ValueError(f"the grid must be at least 1 x 1, not {height} x {width}")
    order = _cached_order(int(height), int(width), torch.device(device))
    if type(order) is not Tensor:  # fake, because torch.export is tracing: it has no values
        _cached_order.cache_clear()
    return order


@functools.lru_cache(maxsize=64)
def _cached_order(height: int, width: int, device: torch.device) -> Tensor:
    cells = list(_walk((0, 0), (width, 0), (0, height)))
    with torch.inference_mode(False):  # the cached tensor must be usable in training
        return torch.tensor([y * width + x for x, y in cells], dtype=torch.int64, device=device)


def _walk(start, along, across):
    """Yield the cells of the rectangle at `start`, spanned by the vectors `along` and `across`."""
    x, y = start
    length, depth = abs(sum(along)), abs(sum(across))
    step, rise = _unit(along), _unit(across)
    if depth == 1 or length == 1:
        count, direction = (length, step) if depth == 1 else (depth, rise)
        for k in range(count):
            yield x + k * direction[0], y + k * direction[1]
        return
    half, low = _half(along), _half(across)
    half_length, half_depth = abs(sum(half)), abs(sum(low))
    if 2 * length > 3 * depth:  # long rectangle: two halves in sequence
        if half_length % 2 and length > 2:
            half = _plus(half, step)
        yield from _walk(start, half, across)
        yield from _walk(_plus(start, half), _minus(along, half), across)
        return
    if half_depth % 2 and depth > 2:
        low = _plus(low, rise)
    # One step up, a long way across, one step down.
    yield from _walk(start, low, half)
    yield from _walk(_plus(start, low), along, _minus(across, low))
    corner = _plus(start, _plus(_minus(along, step), _minus(low, rise)))
    yield from _walk(corner, _negative(low), _negative(_minus(along, half)))


def _unit(v):
    return tuple((c > 0) - (c < 0) for c in v)


def _half(v):
    return tuple(c // 2 for c in v)


def _plus(a, b):
    return tuple(p + q for p, q in zip(a, b, strict=True))


def _minus(a, b):
    return tuple(p - q for p, q in zip(a, b, strict=True))


def _negative(a):
    return tuple(-p for p in a)
