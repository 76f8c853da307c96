"""lgrseg/evaluation/metrics/steadiness.py, on squares that move."""

import numpy as np
import pytest

from lgrseg.evaluation.metrics.steadiness import steadiness


def squares(tops, size=4):
    masks = np.zeros((len(tops), 30, 20), bool)
    for frame, top in enumerate(tops):
        if top is not None:
            masks[frame, top : top + size, 5 : 5 + size] = True
    return masks


def test_even_motion_has_no_jerk():
    found = steadiness(squares([2, 4, 6, 8]))
    assert found["area_jerk"] == found["centroid_jerk"] == 0
    assert found["dice_of_neighbours"] == pytest.approx(0.5)  # half of it moves on
    assert (found["frames"], found["frames_absent"], found["frames_split"]) == (4, 0, 0)


def test_a_jump_is_measured_in_millimetres():
    found = steadiness(squares([2, 2, 8, 2]), spacing_mm=(0.5, 0.3))
    # Second differences of the rows: 6, -12 pixels of 0.5 mm.
    assert found["centroid_jerk"] == pytest.approx((3 + 6) / 2)


def test_vanishing_and_splitting():
    masks = squares([2, None, 2, 2, 2, 2])
    masks[3, 20:24, 5:9] = True
    found = steadiness(masks)
    assert (found["frames_absent"], found["frames_split"]) == (1, 1)
    # Areas 16, -, 16, 32, 16, 16: second differences from frame 2 on: -32, 16.
    assert found["area_jerk"] == pytest.approx(24 / ((16 * 4 + 32) / 5))


def test_too_short_and_empty():
    assert np.isnan(steadiness(squares([2]))["dice_of_neighbours"])
    empty = steadiness(squares([None, None, None]))
    assert np.isnan(empty["area_jerk"]) and empty["frames_absent"] == 3
