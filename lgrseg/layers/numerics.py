"""Arithmetic that every loss needs."""

import torch
from torch import Tensor


def divide(sums: Tensor, total: float | Tensor) -> Tensor:
    """Sums over a batch by what they are means of; 0 where that is 0, since the sums are too."""
    total = torch.as_tensor(total, dtype=sums.dtype, device=sums.device)
    return sums / total.clamp(min=1e-6)


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision to float32; float64 stays."""
    return values.float() if values.dtype.itemsize < 4 else values


def soft_dice(probs: Tensor, truth: Tensor, dim: int | tuple[int, ...]) -> Tensor:
    """(2 sum p y + 1) / (sum p + sum y + 1) over `dim`; 1 where both are empty.

    Args:
        probs: 0 to 1.
        truth: of the same shape, 0 to 1.
        dim: what is summed over.
    """
    shared = (probs * truth).sum(dim=dim)
    return (2 * shared + 1) / (probs.sum(dim=dim) + truth.sum(dim=dim) + 1)
