"""lgrseg/evaluation/metrics/s_measure.py: limits and cases that can be worked out."""

import numpy as np
import pytest

from lgrseg.evaluation.metrics.s_measure import mean_absolute_error, s_measure


def disc(row=20, column=24, radius=9, shape=(48, 60)):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (rows - row) ** 2 + (columns - column) ** 2 < radius**2


def test_perfect_and_opposite():
    assert s_measure(disc(), disc()) == pytest.approx(1)
    assert s_measure(~disc(), disc()) < 0.05
    assert mean_absolute_error(disc(), disc()) == 0 and mean_absolute_error(~disc(), disc()) == 1


def test_nothing_and_everything():
    none, full = np.zeros((8, 10), bool), np.ones((8, 10), bool)
    some = none.copy()
    some[:2] = True
    assert s_measure(none, none) == s_measure(full, full) == 1
    assert s_measure(some, none) == pytest.approx(0.75) and s_measure(some, full) == 0.25


def test_by_hand():
    # Truth: the left half of 4 x 4; prediction: 0.5 everywhere.
    truth = np.zeros((4, 4), bool)
    truth[:, :2] = True
    flat = np.full((4, 4), 0.5)
    # Both objects: 2 * 0.5 / (0.25 + 1) = 0.8. Regions: a constant has no covariance: 0 each,
    # for the truth varies somewhere or differs in its mean only, where variances are 0: 1.
    # The centre (rows 1.5, columns 0.5) rounds to (2, 0): quarters 3 x 1, 3 x 3, 1 x 1, 1 x 3.
    regions = (3 * 1 + 9 * 0 + 1 * 1 + 3 * 0) / 16
    assert s_measure(flat, truth) == pytest.approx(0.5 * 0.8 + 0.5 * regions)


def test_it_falls_as_the_mask_moves_away():
    scores = [s_measure(disc(column=24 + shift), disc()) for shift in range(0, 18, 3)]
    assert scores == sorted(scores, reverse=True)
