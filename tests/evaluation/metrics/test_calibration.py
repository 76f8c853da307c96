"""lgrseg/evaluation/metrics/calibration.py with numbers that can be worked out."""

import numpy as np
import pytest

from lgrseg.evaluation.metrics.calibration import calibration_error, confidence_bins


def two_classes(first):
    return np.stack([first, 1 - np.asarray(first)], axis=1)


def test_bins_of_known_answers():
    # Answers at 0.9, 0.9 (one right, bin 0.8 to 0.9), and at 0.6, 0.6, 0.6, 0.6 (three right).
    probs = two_classes([0.9, 0.9, 0.6, 0.6, 0.4, 0.4])
    labels = np.array([0, 1, 0, 0, 1, 0])
    low, high = confidence_bins(labels, probs)
    assert (low.low, low.high, low.num_clips) == (0.5, 0.6, 4)
    assert low.accuracy == 0.75 and low.confidence == pytest.approx(0.6)
    assert (high.num_clips, high.accuracy) == (2, 0.5) and high.confidence == pytest.approx(0.9)
    # (4 * 0.15 + 2 * 0.4) / 6
    assert calibration_error([low, high]) == pytest.approx(1.4 / 6)


def test_sure_and_right_has_no_error_sure_and_wrong_all():
    sure = two_classes([1.0, 1.0, 0.0])
    assert calibration_error(confidence_bins(np.array([0, 0, 1]), sure)) == 0
    assert calibration_error(confidence_bins(np.array([1, 1, 0]), sure)) == 1


def test_clips_drawn_with_their_probability_are_calibrated():
    rng = np.random.default_rng(0)
    first = rng.uniform(0, 1, 20_000)
    labels = (rng.uniform(0, 1, 20_000) >= first).astype(int)
    bins = confidence_bins(labels, two_classes(first))
    assert calibration_error(bins) < 0.02
    assert sum(each.num_clips for each in bins) == 20_000
