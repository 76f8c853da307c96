"""Calibration of a classifier: is the most probable class right as often as its probability says?

Letters: N clips, K classes.
"""

from dataclasses import dataclass

import numpy as np

NUM_BINS = 10
"""Number of bins of equal width between 0 and 1."""


@dataclass(frozen=True)
class ConfidenceBin:
    """The clips whose most probable class has a probability of about the same size."""

    low: float
    """Smallest probability of the bin, exclusive."""
    high: float
    """Largest probability of the bin, inclusive."""
    num_clips: int
    confidence: float
    """Mean probability of the most probable class."""
    accuracy: float
    """Share of the clips whose most probable class is right."""


def confidence_bins(
    labels: np.ndarray, probs: np.ndarray, num_bins: int = NUM_BINS
) -> list[ConfidenceBin]:
    """Sort clips into bins by the probability of their most probable class.

    Args:
        labels: (N,) int true classes, 0 to K - 1.
        probs: (N, K) predicted probability of each class, 0 to 1.
        num_bins: number of bins of equal width.

    Returns:
        The bins in order, without the empty ones.
    """
    confidence = probs.max(axis=1)
    is_right = probs.argmax(axis=1) == labels
    place = np.ceil(confidence * num_bins).astype(int).clip(1, num_bins) - 1
    return [
        ConfidenceBin(
            low=index / num_bins,
            high=(index + 1) / num_bins,
            num_clips=int(inside.sum()),
            confidence=float(confidence[inside].mean()),
            accuracy=float(is_right[inside].mean()),
        )
        for index in range(num_bins)
        if (inside := place == index).any()
    ]


def calibration_error(bins: list[ConfidenceBin]) -> float:
    """Expected calibration error, 0 (best) to 1 (Guo et al., ICML 2017, equation 3).

    It is the mean of |accuracy - confidence| over the bins, weighted by their number of clips.
    """
    gaps = [each.num_clips * abs(each.accuracy - each.confidence) for each in bins]
    return sum(gaps) / sum(each.num_clips for each in bins)
