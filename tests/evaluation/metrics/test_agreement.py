"""lgrseg/evaluation/metrics/agreement.py, worked out by hand."""

import numpy as np
import pytest

from lgrseg.evaluation.metrics.agreement import agreement


def test_by_hand():
    measured, truth = [51, 58, 66, 45, 70], [50, 60, 65, 40, 70]
    found = agreement(measured, truth, list("abcde"))
    # Differences 1, -2, 1, 5, 0: mean 1, deviation sqrt(26 / 4).
    assert (found["num"], found["num_patients"], found["missing"]) == (5, 5, 0)
    assert found["bias"] == 1 and found["mae"] == 1.8
    spread = 1.96 * (26 / 4) ** 0.5
    assert found["limits"] == pytest.approx([1 - spread, 1 + spread])
    assert found["correlation"] == pytest.approx(np.corrcoef(measured, truth)[0, 1])
    low, high = found["bias_ci95"]
    assert -2 <= low < 1 < high <= 5


def test_patients_are_drawn_whole():
    # Four videos of each patient that err alike are worth one.
    errors = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], 4)
    by_patient = agreement(errors, np.zeros(20), np.repeat(list("abcde"), 4).tolist())
    by_video = agreement(errors, np.zeros(20), list("abcdefghijklmnopqrst"))
    assert by_video["bias"] == by_patient["bias"] == 3
    wide, narrow = (np.diff(found["bias_ci95"])[0] for found in (by_patient, by_video))
    assert wide == pytest.approx(2 * narrow, rel=0.25)  # as of a quarter of the number
    again = agreement(errors, np.zeros(20), np.repeat(list("abcde"), 4).tolist())
    assert by_patient["mae_ci95"] == again["mae_ci95"]  # the same seed


def test_few_patients_have_no_interval_however_many_videos_they_have():
    found = agreement(np.arange(8.0), np.zeros(8), list("aabbccdd"))
    assert found["num"] == 8 and found["num_patients"] == 4
    assert found["bias_ci95"] is found["mae_ci95"] is found["correlation_ci95"] is None


def test_what_is_missing():
    found = agreement([np.nan, 2, 3], [1, np.nan, 4], list("abc"))
    assert (found["num"], found["missing"], found["bias"]) == (1, 1, -1)
    assert np.isnan(found["correlation"]) and np.isnan(found["limits"]).all()
    nothing = agreement([], [], [])
    assert nothing["num"] == 0 and np.isnan(nothing["mae"]) and nothing["mae_ci95"] is None
