"""Paired tests on numbers that a person can work out."""

import math

import numpy as np
import pytest
from scipy import stats

from lgrseg.studies.comparison.paired import holm, paired_tests, signed_rank


def test_the_signed_rank_test_by_hand():
    # Of 2^5 = 32 signs one gives all positive: one-sided 1 / 32.
    assert signed_rank(np.array([0.1, 0.2, 0.3, 0.4, 0.5])) == pytest.approx(2 / 32)
    # Negative ranks add up to 1: {} and {1} of the 32 are as extreme.
    assert signed_rank(np.array([-0.1, 0.2, 0.3, 0.4, 0.5])) == pytest.approx(4 / 32)
    assert signed_rank(np.array([0.0, 0.1, 0.2, 0.0, 0.3])) == pytest.approx(2 / 8)
    assert signed_rank(np.zeros(4)) == 1.0
    assert math.isnan(signed_rank(np.zeros(0)))


def test_holm_by_hand():
    # 0.01 x 3, then 0.02 x 2, then 0.03 x 1, which may not fall below the one before.
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.2]) == [0.2]
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    corrected = holm([float("nan"), 0.02])
    assert math.isnan(corrected[0]) and corrected[1] == 0.02


def test_pairs_are_over_the_patients_of_both():
    scores = {
        "a": {"p1": 0.9, "p2": 0.8, "p3": 0.7, "only a": 0.1, "p4": float("nan")},
        "b": {"p1": 0.8, "p2": 0.6, "p3": 0.4, "only b": 0.9, "p4": 0.5},
        "c": {"p1": 0.9, "p2": 0.8, "p3": 0.7},
    }
    pairs = {(pair.one, pair.other): pair for pair in paired_tests(scores)}
    assert list(pairs) == [("a", "b"), ("a", "c"), ("b", "c")]
    first = pairs["a", "b"]
    assert first.num == 3 and first.difference == pytest.approx(0.2)
    assert first.p == pytest.approx(0.25) and first.p_holm == pytest.approx(0.75)
    assert first.difference_ci95 is None  # of three patients
    assert pairs["a", "c"].p == 1.0
    assert pairs["b", "c"].difference == pytest.approx(-0.2)


def test_one_pair_is_not_corrected_and_no_shared_patient_is_no_number():
    (pair,) = paired_tests({"a": {"p": 0.5}, "b": {"q": 0.5}})
    assert pair.num == 0 and math.isnan(pair.p_holm) and math.isnan(pair.difference)
    rng = np.random.default_rng(0)
    scores = {n: dict(enumerate(rng.random(40))) for n in "ab"}
    (pair,) = paired_tests(scores)
    one, other = (np.array(list(scores[n].values())) for n in "ab")
    assert pair.p == pair.p_holm == pytest.approx(stats.wilcoxon(one, other).pvalue)
    # The percentile interval of a mean is near the normal one.
    half = 1.96 * (one - other).std(ddof=1) / 40**0.5
    middle = (one - other).mean()
    assert pair.difference_ci95 == pytest.approx([middle - half, middle + half], abs=0.02)
