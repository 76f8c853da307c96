"""Classification measures, such as accuracy, sensitivity and AUC, with intervals over patients.

Letters: N clips, K classes. Every measure accepts weights of the clips, because a bootstrap over
patients is the same measure with other weights. scikit-learn computes the same numbers, and the
tests compare with it. It is not used because its AUC takes 5 ms instead of 0.1 ms (300 clips),
which is half a minute for 1000 draws of five classes.
"""

from collections.abc import Sequence

import numpy as np

from lgrseg.evaluation.metrics.intervals import percentile_interval
from lgrseg.evaluation.metrics.overlap import mean

MEANS = ("balanced_accuracy", "accuracy", "f1", "precision", "specificity", "auc")
"""Measures with one number over all classes."""
WITH_INTERVAL = ("balanced_accuracy", "accuracy", "f1", "auc")


def confusion_matrix(
    labels: np.ndarray, predicted: np.ndarray, num_classes: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """(K, K) float64: row k, column j counts the clips of class k predicted as j.

    Args:
        labels: (N,) int true classes, 0 to K - 1.
        predicted: (N,) int predicted classes, 0 to K - 1.
        num_classes: number K of classes.
        weights: (N,) weight of each clip; None for 1.
    """
    pairs = np.asarray(labels) * num_classes + np.asarray(predicted)
    table = np.bincount(pairs, weights=weights, minlength=num_classes**2)
    return table.reshape(num_classes, num_classes).astype(np.float64)


def from_confusion(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Measures of each class against the rest, (K,) each; NaN for 0 / 0.

    Sensitivity is TP / (TP + FN), specificity TN / (TN + FP), precision TP / (TP + FP), and
    F1 2 TP / (2 TP + FP + FN).
    """
    hits = confusion.diagonal()
    truth, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    others = confusion.sum() - truth
    return {
        "sensitivity": _ratio(hits, truth),
        "specificity": _ratio(others - (predicted - hits), others),
        "precision": _ratio(hits, predicted),
        "f1": _ratio(2 * hits, truth + predicted),
    }


def auc(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Area under the ROC curve: share of pairs whose positive scores higher; ties count half.

    Computed as the Mann-Whitney statistic, from mid-ranks of the sorted scores (Hanley and McNeil,
    Radiology 1982): each positive counts all negatives with lower scores and half of those with
    equal scores.

    Args:
        scores: (N,) scores, larger for positives.
        positive: (N,) bool, true for positives.
        weights: (N,) weight of each sample; None for 1.

    Returns:
        The area, 0 to 1; NaN without positives or without negatives.
    """
    weights = np.ones(len(scores)) if weights is None else weights
    order = np.argsort(scores, kind="stable")
    scores, weights, positive = scores[order], weights[order], positive[order]
    starts = np.flatnonzero(
        np.r_[True, scores[1:] != scores[:-1]]
    )  # start of each group of equal scores
    positives = np.add.reduceat(weights * positive, starts)
    negatives = np.add.reduceat(weights * ~positive, starts)
    pairs = positives.sum() * negatives.sum()
    if pairs == 0:
        return float("nan")
    below = np.cumsum(negatives) - negatives
    return float((positives * (below + negatives / 2)).sum() / pairs)


def measure(
    labels: np.ndarray, probs: np.ndarray, weights: np.ndarray | None = None
) -> tuple[dict[str, np.ndarray], dict[str, float], np.ndarray]:
    """All measures of some clips.

    Args:
        labels: (N,) int true classes, 0 to K - 1.
        probs: (N, K) predicted probability of each class, 0 to 1. The class with the largest
            one is the prediction.
        weights: (N,) weight of each clip; None for 1.

    Returns:
        Measures by class, name -> (K,) ("auc" compares one class with the rest); means, name ->
        number, for MEANS; the confusion matrix. A class without clips is left out of the means.
    """
    num_classes = probs.shape[1]
    confusion = confusion_matrix(labels, probs.argmax(axis=1), num_classes, weights)
    by_class = from_confusion(confusion)
    by_class["auc"] = np.array([auc(probs[:, k], labels == k, weights) for k in range(num_classes)])
    has_clips = confusion.sum(axis=1) > 0
    means = {name: float(mean(values[has_clips])) for name, values in by_class.items()}
    means["balanced_accuracy"] = means.pop("sensitivity")
    means["accuracy"] = float(confusion.trace() / confusion.sum())
    return by_class, {name: means[name] for name in MEANS}, confusion


def intervals(
    labels: np.ndarray,
    probs: np.ndarray,
    patients: Sequence[str] | np.ndarray,
    *,
    num_resamples: int = 1000,
    seed: int = 0,
) -> tuple[dict[str, list[float] | None], dict[str, list[list[float] | None]]]:
    """95% percentile intervals of a bootstrap over patients with all their clips.

    Clips of one patient are not independent, so single clips are never resampled. A measure of 0 or
    1 has the same value in every resample: its interval is a point.

    Args:
        labels: (N,) int true classes, 0 to K - 1.
        probs: (N, K) predicted probability of each class, 0 to 1.
        patients: patient of each of the N clips.
        num_resamples: number of resamples; each draws as many patients as there are.
        seed: the same seed gives the same intervals.

    Returns:
        Intervals of the means, name of WITH_INTERVAL -> [low, high]; intervals by class, name -> K
        of them, for sensitivity and specificity. An interval is None if fewer than MIN_PATIENTS
        patients have clips for the measure: clips of the class for its sensitivity, clips of the
        other classes for its specificity, and all clips for the others.
    """
    keys, owner = np.unique(patients, return_inverse=True)
    rng = np.random.default_rng(seed)
    drawn_means, drawn_classes = [], []
    for _ in range(num_resamples):
        chosen = rng.integers(0, len(keys), len(keys))
        weights = np.bincount(chosen, minlength=len(keys))[owner].astype(np.float64)
        by_class, means, _ = measure(labels, probs, weights)
        drawn_means.append([means[name] for name in WITH_INTERVAL])
        drawn_classes.append([by_class["sensitivity"], by_class["specificity"]])
    of_means = [
        percentile_interval(values, num_patients=len(keys)) for values in np.array(drawn_means).T
    ]
    class_draws = np.array(drawn_classes).transpose(1, 2, 0)  # measures K draws
    of_class = [labels == k for k in range(probs.shape[1])]
    of_classes = {
        name: [
            percentile_interval(values, num_patients=len(np.unique(owner[in_class == belongs])))
            for values, in_class in zip(class_draws[i], of_class, strict=True)
        ]
        for i, (name, belongs) in enumerate((("sensitivity", True), ("specificity", False)))
    }
    return dict(zip(WITH_INTERVAL, of_means, strict=True)), of_classes


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    empty = np.full(len(numerator), np.nan)
    return np.divide(numerator, denominator, out=empty, where=denominator > 0)
