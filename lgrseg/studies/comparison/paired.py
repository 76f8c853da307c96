"""Two models on the same patients: is the difference more than chance?

Letters: P patients.
"""

import itertools

import numpy as np
from scipy.stats import wilcoxon

from lgrseg.evaluation.metrics.overlap import bootstrap_interval


def paired_tests(scores: dict[str, dict[str, float]], *, seed: int = 0) -> list[dict]:
    """Compare every two rows over the patients that both have a score for.

    Args:
        scores: row -> patient -> score; NaN counts as none.
        seed: of the bootstrap.

    Returns:
        A dict a pair, in the order of `scores`: "one", "other", "num" patients, "difference" (mean
        of one - other), "difference_ci95" (95% percentile interval, patients drawn anew; None of
        fewer than MIN_PATIENTS), "p"
        (Wilcoxon signed rank, two-sided) and "p_holm" (corrected for the number of pairs; `p`
        itself where there is one pair). NaN where there is no patient.
    """
    found = []
    for one, other in itertools.combinations(scores, 2):
        differences = _differences(scores[one], scores[other])
        nan, interval = float("nan"), None
        if len(differences):
            interval = bootstrap_interval(differences[:, None], seed=seed)
        found.append(
            {
                "one": one,
                "other": other,
                "num": len(differences),
                "difference": float(differences.mean()) if len(differences) else nan,
                "difference_ci95": interval,
                "p": signed_rank(differences),
            }
        )
    corrected = holm([pair["p"] for pair in found])
    return [pair | {"p_holm": p} for pair, p in zip(found, corrected, strict=True)]


def _differences(one: dict[str, float], other: dict[str, float]) -> np.ndarray:
    shared = [patient for patient in one if patient in other]
    both = np.array([one[p] for p in shared], float) - np.array([other[p] for p in shared], float)
    return both[np.isfinite(both)]


def signed_rank(differences: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; zero differences are left out, as he did.

    1 where all are zero, NaN where there are none. Of n that are not zero p is 2 / 2^n or more, so
    five patients can never show a difference at 5%.

    Source: Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1945.
    """
    if not len(differences):
        return float("nan")
    moved = differences[differences != 0]
    return float(wilcoxon(moved).pvalue) if len(moved) else 1.0


def holm(p: list[float]) -> list[float]:
    """Holm's step-down correction, which bounds the chance of any false finding.

        corrected p of rank i (of m, from 1) = max over j <= i of min(1, (m - j + 1) p_j)

    NaN stays NaN and does not count.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 1979.
    """
    known = [number for number, value in enumerate(p) if np.isfinite(value)]
    corrected, highest = [float("nan")] * len(p), 0.0
    for rank, number in enumerate(sorted(known, key=lambda number: p[number])):
        highest = max(highest, min(1.0, (len(known) - rank) * p[number]))
        corrected[number] = highest
    return corrected
