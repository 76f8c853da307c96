"""Dice, IoU, sensitivity and precision, and their means over classes, frames and patients.

Letters: F annotated frames, K classes, P patients.
"""

import warnings

import numpy as np

from lgrseg.evaluation.metrics.intervals import percentile_interval

RULES = ("skip", "one", "zero")
"""Score of a class that is in neither the truth nor the prediction of a frame: "skip" leaves it out
of every mean; "one" and "zero" count it as 1 or 0. Earlier code counted it as 0, although
the empty prediction is correct."""


def count_pixels(prediction: np.ndarray, truth: np.ndarray, num_classes: int) -> np.ndarray:
    """Count the pixels of every class in the intersection, the prediction and the truth.

    Args:
        prediction: (H, W) uint8, 0 background, k + 1 for class k.
        truth: (H, W) uint8, labelled in the same way.
        num_classes: number K of classes.

    Returns:
        (K, 3) int64: intersection, prediction, truth.

    Raises:
        ValueError: a label above K, which would be counted as another class.
    """
    highest = max(int(prediction.max(initial=0)), int(truth.max(initial=0)))
    if highest > num_classes:
        raise ValueError(
            f"found label {highest}; labels are 0 (background) to {num_classes} (the last class)"
        )
    size = num_classes + 1
    pairs = prediction.astype(np.intp).ravel() * size + truth.ravel()
    table = np.bincount(pairs, minlength=size * size).reshape(size, size)
    return np.stack([table.diagonal(), table.sum(axis=1), table.sum(axis=0)], axis=1)[1:]


def dice(counts: np.ndarray) -> np.ndarray:
    """2 |A n B| / (|A| + |B|) of counts (..., 3); NaN where the class is in neither."""
    both, prediction, truth = np.moveaxis(counts.astype(np.float64), -1, 0)
    return _ratio(2 * both, prediction + truth)


def iou(counts: np.ndarray) -> np.ndarray:
    """|A n B| / |A u B| of counts (..., 3); NaN where the class is in neither."""
    both, prediction, truth = np.moveaxis(counts.astype(np.float64), -1, 0)
    return _ratio(both, prediction + truth - both)


def sensitivity(counts: np.ndarray) -> np.ndarray:
    """|A n B| / |B|, the share of the truth that is predicted; NaN if the truth is empty."""
    both, _, truth = np.moveaxis(counts.astype(np.float64), -1, 0)
    return _ratio(both, truth)


def precision(counts: np.ndarray) -> np.ndarray:
    """|A n B| / |A|, the share of the prediction that is correct; NaN if nothing is predicted."""
    both, prediction, _ = np.moveaxis(counts.astype(np.float64), -1, 0)
    return _ratio(both, prediction)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(
        numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0
    )


def apply_rule(scores: np.ndarray, rule: str) -> np.ndarray:
    """Scores in which the NaN of absent classes is unchanged ("skip"), or replaced by 1 or 0."""
    return scores if rule == "skip" else np.nan_to_num(scores, nan={"one": 1.0, "zero": 0.0}[rule])


def group_means(scores: np.ndarray, groups: list) -> tuple[list, np.ndarray]:
    """Means over the rows of each group, NaN left out.

    Args:
        scores: (F, K) scores of frames and classes.
        groups: group of each of the F frames, for example its patient or its clip.

    Returns:
        The groups in sorted order, and their means, (groups, K).
    """
    members: dict = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    keys = sorted(members)
    return keys, np.stack([mean(scores[members[key]], axis=0) for key in keys])


def mean(scores: np.ndarray, axis: int | None = None) -> np.ndarray:
    """The mean without NaN; NaN if all values are NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # "mean of empty slice": the result is NaN
        return np.nanmean(scores, axis=axis)


def mean_over_classes(scores: np.ndarray) -> float:
    """(rows, K) -> the mean over classes of their means over rows."""
    return float(mean(mean(scores, axis=0)))


def bootstrap_interval(
    patient_scores: np.ndarray, *, num_resamples: int = 1000, seed: int = 0
) -> list[float] | None:
    """95% percentile interval of `mean_over_classes`, by a bootstrap over patients.

    None if fewer than MIN_PATIENTS patients have a score.

    Args:
        patient_scores: (P, K) scores, one row per patient.
        num_resamples: number of resamples; each draws P patients with replacement.
        seed: the same seed gives the same interval.
    """
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(patient_scores), (num_resamples, len(patient_scores)))
    means = mean(mean(patient_scores[draws], axis=1), axis=1)
    scored = np.isfinite(patient_scores).any(axis=1)
    return percentile_interval(means, num_patients=int(scored.sum()))
