"""Numerical helpers of the losses."""

import torch
from torch import Tensor


def divide(sums: Tensor, total: float | Tensor) -> Tensor:
    """Divide sums by a total; the result is 0 if the total is 0 (the sums are then 0 too)."""
    total = torch.as_tensor(total, dtype=sums.dtype, device=sums.device)
    return sums / total.clamp(min=1e-6)


def at_least_float32(values: Tensor) -> Tensor:
    """Convert half precision to float32; float32 and float64 are unchanged."""
    return values.float() if values.dtype.itemsize < 4 else values


def soft_dice(probs: Tensor, truth: Tensor, dim: int | tuple[int, ...]) -> Tensor:
    """Soft Dice (2 sum p y + 1) / (sum p + sum y + 1) over `dim`; 1 if both masks are empty.

    Args:
        probs: predicted probabilities, 0 to 1.
        truth: true mask of the same shape, 0 to 1.
        dim: dimensions of the sums.
    """
    shared = (probs * truth).sum(dim=dim)
    return (2 * shared + 1) / (probs.sum(dim=dim) + truth.sum(dim=dim) + 1)


def effective_rank(features: Tensor) -> Tensor:
    """Number of directions in which vectors (M, C) differ from their mean; near 1 if collapsed.

    It is exp(H) for the entropy H of the normalised singular values, 1 to min(M - 1, C).
    Source: Roy and Vetterli, "The effective rank", EUSIPCO 2007.
    """
    values = torch.linalg.svdvals(at_least_float32(features - features.mean(dim=0)))
    shares = values / values.sum().clamp(min=1e-12)
    return torch.special.entr(shares).sum().exp()
