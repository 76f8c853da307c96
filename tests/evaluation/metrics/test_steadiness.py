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


def test_a_mask_that_jumps_and_comes_back_is_one_jump():
    # The middle frame is 1 pixel from the middle of its neighbours, and JUMP is 0.1 x 4 pixels.
    found = steadiness(squares([2, 2, 3, 2, 2, 2, 2, 2]), fps=4)
    assert found["jumps_per_second"] == pytest.approx(1 / 2)  # one in two seconds
    assert found["vanishings_per_second"] == 0
    assert steadiness(squares([2, 3, 4, 5]), fps=4)["jumps_per_second"] == 0
    for unknown in (None, float("inf"), 0.0):
        assert np.isnan(steadiness(squares([2, 2, 3, 2]), fps=unknown)["jumps_per_second"])


def test_growing_for_one_frame_is_a_jump():
    masks = squares([4] * 6)
    masks[2, 4:8, 5:10] = True  # 20 pixels instead of 16: 4 above 0.1 x 100 / 6
    assert steadiness(masks, fps=6)["jumps_per_second"] == pytest.approx(1)


def test_vanishing_counts_between_frames_with_the_structure():
    tops = [None, 2, None, None, 2, 2, None, 2, None, None]
    found = steadiness(squares(tops), fps=5)
    assert found["vanishings_per_second"] == pytest.approx(2 / 2)  # two gaps in two seconds
    assert found["jumps_per_second"] == 0
    assert steadiness(squares([None, None]), fps=5)["vanishings_per_second"] == 0
