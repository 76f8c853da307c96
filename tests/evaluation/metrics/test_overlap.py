"""lgrseg/evaluation/metrics/overlap.py: scores and means worked out by hand."""

import numpy as np
import pytest

from lgrseg.evaluation.metrics import overlap

NAN = np.nan


def test_scores_by_hand():
    truth = np.array([[1, 1], [0, 2]], np.uint8)
    prediction = np.array([[1, 0], [0, 2]], np.uint8)
    counts = overlap.count_pixels(prediction, truth, 3)
    assert counts.tolist() == [[1, 1, 2], [1, 1, 1], [0, 0, 0]]
    assert overlap.dice(counts) == pytest.approx([2 / 3, 1, NAN], nan_ok=True)
    assert overlap.iou(counts) == pytest.approx([1 / 2, 1, NAN], nan_ok=True)


def test_a_class_in_one_of_both_scores_zero():
    ones, zeros = np.ones((2, 2), np.uint8), np.zeros((2, 2), np.uint8)
    for pair in ((ones, zeros), (zeros, ones)):
        assert overlap.dice(overlap.count_pixels(*pair, 1)).tolist() == [0]


def test_rules_for_absent_classes():
    scores = np.array([[0.8, NAN]])
    means = {
        rule: overlap.mean_over_classes(overlap.apply_rule(scores, rule)) for rule in overlap.RULES
    }
    assert means == pytest.approx({"skip": 0.8, "one": 0.9, "zero": 0.4})


def test_patients_count_the_same_however_many_frames_they_have():
    scores = np.array([[1.0], [1.0], [1.0], [0.0]])
    names, by_patient = overlap.group_means(scores, ["a", "a", "a", "b"])
    assert names == ["a", "b"] and by_patient.tolist() == [[1], [0]]
    assert overlap.mean_over_classes(by_patient) == 0.5
    assert overlap.mean_over_classes(scores) == 0.75


def test_nan_is_left_out_of_means_and_stays_where_there_is_nothing_else():
    scores = np.array([[NAN, 0.5], [NAN, NAN]])
    assert overlap.mean(scores, axis=0).tolist() == pytest.approx([NAN, 0.5], nan_ok=True)
    assert overlap.mean_over_classes(scores) == 0.5
    assert np.isnan(overlap.mean_over_classes(np.full((2, 2), NAN)))


def test_bootstrap():
    same = np.full((5, 2), 0.7)
    assert overlap.bootstrap_interval(same) == pytest.approx((0.7, 0.7))
    # Of n patients with scores 0 and 1 the mean has the deviation 1 / (2 sqrt n).
    low, high = overlap.bootstrap_interval(np.array([[0.0], [1.0]] * 50))
    assert (low, high) == pytest.approx((0.5 - 1.96 / 20, 0.5 + 1.96 / 20), abs=0.02)
    scores = np.random.default_rng(0).random((30, 3))
    assert overlap.bootstrap_interval(scores, seed=1) == overlap.bootstrap_interval(scores, seed=1)
    low, high = overlap.bootstrap_interval(scores)
    assert low < overlap.mean_over_classes(scores) < high


def test_too_few_patients_have_no_interval():
    scores = np.full((9, 1), NAN)
    scores[:4] = 0.9
    assert overlap.bootstrap_interval(scores) is None  # the others lack the class
    scores[4] = 0.8
    low, high = overlap.bootstrap_interval(scores)
    assert 0.8 <= low < high == pytest.approx(0.9)
