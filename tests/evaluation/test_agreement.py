"""lgrseg/evaluation/agreement.py, worked out by hand."""

import numpy as np
import pytest

from lgrseg.evaluation.agreement import agreement


def test_by_hand():
    found = agreement([51, 58, 66, 45], [50, 60, 65, 40], list("abcd"))
    # Differences 1, -2, 1, 5: mean 1.25, deviation sqrt(24.75 / 3).
    assert (found["num"], found["missing"]) == (4, 0)
    assert found["bias"] == 1.25 and found["mae"] == 2.25
    spread = 1.96 * (24.75 / 3) ** 0.5
    assert found["limits"] == pytest.approx([1.25 - spread, 1.25 + spread])
    expected = np.corrcoef([51, 58, 66, 45], [50, 60, 65, 40])[0, 1]
    assert found["correlation"] == pytest.approx(expected)
    low, high = found["bias_ci95"]
    assert -2 <= low < 1.25 < high <= 5


def test_patients_are_drawn_whole():
    # Two videos of each patient that err alike are worth one.
    measured, truth = [1.0, 1.0, 3.0, 3.0], [0.0] * 4
    by_patient = agreement(measured, truth, ["a", "a", "b", "b"])
    by_video = agreement(measured, truth, list("abcd"))
    assert by_patient["bias_ci95"] == [1, 3]
    width = np.diff(by_video["bias_ci95"])[0]
    assert by_video["bias"] == by_patient["bias"] and width <= 2
    again = agreement(measured, truth, ["a", "a", "b", "b"])
    assert by_patient["mae_ci95"] == again["mae_ci95"]  # the same seed


def test_what_is_missing():
    found = agreement([np.nan, 2, 3], [1, np.nan, 4], list("abc"))
    assert (found["num"], found["missing"], found["bias"]) == (1, 1, -1)
    assert np.isnan(found["correlation"]) and np.isnan(found["limits"]).all()
    nothing = agreement([], [], [])
    assert nothing["num"] == 0 and np.isnan(nothing["mae"]) and np.isnan(nothing["mae_ci95"]).all()
