"""Tests of the difference between two models on the same patients.

Letters: P patients.
"""

import itertools

import numpy as np
from scipy.stats import wilcoxon

from lgrseg.evaluation.metrics.overlap import bootstrap_interval


def paired_tests(scores: dict[str, dict[str, float]], *, seed: int = 0) -> list[dict]:
    """Compare every pair of rows over the patients for whom both have a score.

    Args:
        scores: row -> patient -> score; NaN counts as missing.
        seed: seed of the bootstrap.

    Returns:
        One dict per pair, in the order of `scores`: "one", "other", "num" (patients), "difference"
        (mean of one - other), "difference_ci95" (95% percentile interval of a bootstrap over
        patients; None for fewer than MIN_PATIENTS), "p" (Wilcoxon signed rank, two-sided) and
        "p_holm" (corrected for the number of pairs; equal to `p` for one pair). Values are NaN
        without patients.
    """
    pairs = []
    for one, other in itertools.combinations(scores, 2):
        differences = _differences(scores[one], scores[other])
        nan, interval = float("nan"), None
        if len(differences):
            interval = bootstrap_interval(differences[:, None], seed=seed)
        pairs.append(
            {
                "one": one,
                "other": other,
                "num": len(differences),
                "difference": float(differences.mean()) if len(differences) else nan,
                "difference_ci95": interval,
                "p": signed_rank(differences),
            }
        )
    corrected = holm([pair["p"] for pair in pairs])
    return [pair | {"p_holm": p} for pair, p in zip(pairs, corrected, strict=True)]


def _differences(one: dict[str, float], other: dict[str, float]) -> np.ndarray:
    shared = [patient for patient in one if patient in other]
    both = np.array([one[p] for p in shared], float) - np.array([other[p] for p in shared], float)
    return both[np.isfinite(both)]


def signed_rank(differences: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; zero differences are left out.

    The result is 1 if all differences are zero, and NaN without differences. With n differences
    that are not zero, p is at least 2 / 2^n, so five patients can never show a difference at 5%.

    Source: Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1945.
    """
    if not len(differences):
        return float("nan")
    moved = differences[differences != 0]
    return float(wilcoxon(moved).pvalue) if len(moved) else 1.0


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
