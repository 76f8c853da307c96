"""Tests of the difference between two models on the same patients.

Letters: P patients.
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import rankdata, wilcoxon

from lgrseg.evaluation.metrics.overlap import bootstrap_interval


@dataclass(frozen=True)
class Pair:
    """Difference between two rows, over the patients for whom both have a score."""

    one: str
    other: str
    num: int
    """Number of patients."""
    difference: float
    """Mean of one - other; NaN without patients."""
    difference_ci95: list[float] | None
    """95% percentile interval of a bootstrap over patients; None for fewer than MIN_PATIENTS."""
    p: float
    """Two-sided p of Wilcoxon's signed-rank test; NaN without patients."""
    p_holm: float
    """The same, corrected for the number of pairs; equal to `p` for one pair."""


def paired_tests(scores: dict[str, dict[str, float]], *, seed: int = 0) -> list[Pair]:
    """Compare every pair of rows over the patients for whom both have a score.

    Args:
        scores: row -> patient -> score; NaN counts as missing.
        seed: seed of the bootstrap.

    Returns:
        The pairs, in the order of `scores`.
    """
    pairs = [
        _pair(one, other, _differences(scores[one], scores[other]), seed)
        for one, other in itertools.combinations(scores, 2)
    ]
    corrected = holm([pair.p for pair in pairs])
    return [replace(pair, p_holm=p) for pair, p in zip(pairs, corrected, strict=True)]


def _pair(one: str, other: str, differences: np.ndarray, seed: int) -> Pair:
    """The pair with its uncorrected p."""
    p = signed_rank(differences)
    if not len(differences):
        return Pair(one, other, 0, float("nan"), None, p, p)
    interval = bootstrap_interval(differences[:, None], seed=seed)
    return Pair(one, other, len(differences), float(differences.mean()), interval, p, p)


def _differences(one: dict[str, float], other: dict[str, float]) -> np.ndarray:
    shared = [patient for patient in one if patient in other]
    both = np.array([one[p] for p in shared], float) - np.array([other[p] for p in shared], float)
    return both[np.isfinite(both)]


def signed_rank(differences: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; zero differences are left out.

    The result is 1 if all differences are zero, and NaN without differences. With n differences
    that are not zero, p is at least 2 / 2^n: five patients are too few for p < 0.05.

    Source: Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1945.
    """
    if not len(differences):
        return float("nan")
    moved = differences[differences != 0]
    return float(wilcoxon(moved).pvalue) if len(moved) else 1.0


def signed_rank_sum(differences: np.ndarray) -> float:
    """Ranks of the positive differences minus those of the negative ones.

    `signed_rank` tests this sum. Its sign can differ from that of the mean: many small differences
    can have higher ranks than a few large ones.
    """
    moved = differences[differences != 0]
    return float((np.sign(moved) * rankdata(np.abs(moved))).sum())


def holm(p: list[float]) -> list[float]:
    """Holm's step-down correction, which bounds the family-wise error rate.

        corrected p of rank i (of m, from 1) = max over j <= i of min(1, (m - j + 1) p_j)

    NaN stays NaN and is not counted in m.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 1979.
    """
    finite = [number for number, value in enumerate(p) if np.isfinite(value)]
    corrected, highest = [float("nan")] * len(p), 0.0
    for rank, number in enumerate(sorted(finite, key=lambda number: p[number])):
        highest = max(highest, min(1.0, (len(finite) - rank) * p[number]))
        corrected[number] = highest
    return corrected
