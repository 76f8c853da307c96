"""Shared parts of kernels that sample maps between pixels and accumulate gradients.

Floating-point sums of many programs depend on their order. Under
`torch.use_deterministic_algorithms(True)` gradients are therefore added in fixed point, as integer
multiples of a unit that is finer than float32's precision, so sums do not depend on the order.
"""

from collections.abc import Callable

import torch
import triton
import triton.language as tl
from torch import Tensor

FIXED_POINT_BITS = 60


@triton.jit
def corner(pixel, offset: tl.constexpr, size):
    """Select the pixel before (offset 0) or after (offset 1) a coordinate.

    Returns:
        Its index, its weight, the derivative of the weight, and whether the pixel exists.
    """
    lower = tl.floor(pixel)
    share = pixel - lower
    # Far outside the map, the index would overflow int32; such pixels do not exist anyway.
    index = tl.clamp(lower, -2.0, size * 1.0 + 1.0).to(tl.int32) + offset
    weight = share if offset == 1 else 1.0 - share
    slope = 1.0 if offset == 1 else -1.0
    return index, weight, slope, (index >= 0) & (index < size)


@triton.jit
def add(pointers, values, unit, mask, FIXED: tl.constexpr):
    """Add values atomically; with FIXED as integer multiples of the unit."""
    if FIXED:
        whole = tl.floor(values.to(tl.float64) / tl.load(unit) + 0.5).to(tl.int64)
        tl.atomic_add(pointers, whole, mask=mask, sem="relaxed")
    else:
        tl.atomic_add(pointers, values, mask=mask, sem="relaxed")


class Accumulator:
    """A gradient to which many programs add: float32, or fixed point in deterministic mode."""

    def __init__(self, like: Tensor, largest_sum: Callable[[], Tensor]):
        """`like` has the gradient's shape and type; `largest_sum()` is an upper bound of its sums.

        The bound is computed only in deterministic mode, because it needs all gradients.
        """
        self.fixed = torch.are_deterministic_algorithms_enabled()
        self.like = like
        dtype = torch.int64 if self.fixed else torch.float32
        self.sums = torch.zeros(like.shape, dtype=dtype, device=like.device)
        self.unit = self.sums  # never read
        if self.fixed:
            self.unit = (largest_sum().double() * 2.0**-FIXED_POINT_BITS).clamp(min=1e-300)

    def value(self) -> Tensor:
        """The accumulated gradient."""
        sums = self.sums * self.unit if self.fixed else self.sums
        return sums.to(self.like.dtype)
