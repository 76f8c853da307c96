"""What the kernels share that read maps between pixels and add to them.

Adding from many places at once depends, in floating point, on who comes first. Under
`torch.use_deterministic_algorithms(True)` gradients are therefore added as whole numbers, in units
so small that nothing is lost against float32, and sums are the same in any order.
"""

from collections.abc import Callable

import torch
import triton
import triton.language as tl
from torch import Tensor

FIXED_POINT_BITS = 60


@triton.jit
def corner(pixel, offset: tl.constexpr, size):
    """Of the two pixels around a coordinate, the one before (0) or after (1) it.

    Returns:
        its index, its weight, the weight's derivative and whether it exists.
    """
    before = tl.floor(pixel)
    share = pixel - before
    # Far outside, the index would not fit a whole number; there is nothing there anyway.
    index = tl.clamp(before, -2.0, size * 1.0 + 1.0).to(tl.int32) + offset
    weight = share if offset == 1 else 1.0 - share
    slope = 1.0 if offset == 1 else -1.0
    return index, weight, slope, (index >= 0) & (index < size)


@triton.jit
def add(pointers, values, unit, mask, FIXED: tl.constexpr):
    """Add values to memory that others add to; in fixed point, as multiples of the unit there."""
    if FIXED:
        whole = tl.floor(values.to(tl.float64) / tl.load(unit) + 0.5).to(tl.int64)
        tl.atomic_add(pointers, whole, mask=mask, sem="relaxed")
    else:
        tl.atomic_add(pointers, values, mask=mask, sem="relaxed")


class Accumulator:
    """A gradient that many programs add to: float32, or whole numbers in deterministic mode."""

    def __init__(self, like: Tensor, largest_sum: Callable[[], Tensor]):
        """`like` has the gradient's shape and type; no sum is above `largest_sum()`, a scalar.

        It is asked for in deterministic mode only, since to find it is to read all gradients.
        """
        self.fixed = torch.are_deterministic_algorithms_enabled()
        self.like = like
        kind = torch.int64 if self.fixed else torch.float32
        self.sums = torch.zeros(like.shape, dtype=kind, device=like.device)
        self.unit = self.sums  # never read
        if self.fixed:
            self.unit = (largest_sum().double() * 2.0**-FIXED_POINT_BITS).clamp(min=1e-300)

    def value(self) -> Tensor:
        """The gradient."""
        sums = self.sums * self.unit if self.fixed else self.sums
        return sums.to(self.like.dtype)
