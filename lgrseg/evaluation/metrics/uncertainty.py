"""Measures of uncertainty: entropy of pixels, how well it finds errors, and selection of frames.

Letters: K classes, M pixels, N frames.
"""

import math

import cv2
import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor


def pixel_entropy(probs: Tensor) -> Tensor:
    """Entropy of the classes and the background, as part of the largest possible one.

        H = -sum_k p_k log p_k / log (K + 1), and the background has p_0 = 1 - sum_k p_k

    Args:
        probs: (K, ...) probabilities of the classes. Where they sum to more than 1, as those of
            LGRNet may, they are divided by their sum.

    Returns:
        (...) from 0, certain, to 1, all classes equally probable.
    """
    total = probs.sum(dim=0, keepdim=True)
    probs = probs / total.clamp(min=1)
    everything = torch.cat([(1 - probs.sum(dim=0, keepdim=True)).clamp(min=0), probs])
    return torch.special.entr(everything).sum(dim=0) / math.log(len(everything))


def near_contours(labels: np.ndarray, distance: float) -> np.ndarray:
    """Find the pixels near a border between two labels.

    Args:
        labels: (H, W) uint8 label map.
        distance: largest distance to a pixel at a border, in pixels.

    Returns:
        (H, W) bool: true for pixels at a border (a neighbour to the left, right, above or below has
        another label), and for pixels within the distance of one. All false if there is no border.
    """
    at_border = np.zeros(labels.shape, bool)
    for one, other in (
        ((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
    ):
        differ = labels[one] != labels[other]
        at_border[one] |= differ
        at_border[other] |= differ
    if not at_border.any():
        return at_border
    away = cv2.distanceTransform((~at_border).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return away <= distance


def auroc(scores: np.ndarray, is_positive: np.ndarray) -> float:
    """Area under the ROC curve: probability that a positive has a higher score than a negative.

    Equal scores count half (Mann-Whitney U).

    Args:
        scores: (M,) scores.
        is_positive: (M,) bool.

    Returns:
        0 to 1; NaN if there are no positives or no negatives.
    """
    num_positive = int(is_positive.sum())
    num_negative = len(is_positive) - num_positive
    if not num_positive or not num_negative:
        return math.nan
    ranks = rankdata(scores)[is_positive]
    least = num_positive * (num_positive + 1) / 2
    return float((ranks.sum() - least) / num_positive / num_negative)


def risk_by_coverage(uncertainty: np.ndarray, risk: np.ndarray) -> np.ndarray:
    """Mean risk of the most certain frames, for every number of frames that are kept.

    The mean of the result is the area under the risk-coverage curve (AURC). Source: Geifman and
    El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS 2017.

    Args:
        uncertainty: (N,) uncertainties; frames of equal uncertainty are kept in their order.
        risk: (N,) risks, such as 1 - Dice.

    Returns:
        (N,): entry n - 1 is the mean risk of the n most certain frames.
    """
    in_order = risk[np.argsort(uncertainty, kind="stable")]
    return in_order.cumsum() / np.arange(1, len(risk) + 1)
