"""lgrseg/data/io/grey_values.py: numbers of any type as bytes, by one scale for all frames."""

import numpy as np
import pytest

from lgrseg.data.io.grey_values import as_bytes, to_uint8


def ramp(dtype, low, high):
    """4 frames of 50 x 50 that go evenly from low to high."""
    return np.linspace(low, high, 10_000).reshape(4, 50, 50).astype(dtype)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (np.float32, 0, 1),
        (np.float32, 0, 1.004),
        (np.float32, 0, 2.7),
        (np.float64, -60, 0),
        (np.int16, -32768, 32767),
        (np.uint16, 0, 4095),
        (np.int32, -5, 255),
        (np.int8, -128, 127),
        (bool, 0, 1),
    ],
)
def test_all_else_is_stretched(dtype, low, high):
    given = ramp(dtype, low, high)
    right = np.rint((given.astype(float) - low) / (high - low) * 255)
    assert np.abs(to_uint8(given) - right).max() <= 1 and to_uint8(given).max() == 255


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_grey_levels_stay(dtype):
    given = np.rint(ramp(np.float64, 0, 200)).astype(dtype)
    assert np.array_equal(to_uint8(given), given)


@pytest.mark.parametrize("hot", [60_000, -60_000, 1e30])
def test_a_hot_pixel_does_not_make_a_clip_black(hot):
    given = ramp(np.float64, 0, 1000)
    right = to_uint8(given)
    given[1, 20, 20] = hot
    different = np.abs(to_uint8(given).astype(int) - right) > 1
    assert different.sum() <= 1


def test_one_scale_for_all_frames():
    frames = np.full((2, 4, 4), 100, np.uint16)
    frames[1] = 4000
    frames[0, 0, 0] = 0
    scaled = list(as_bytes(lambda: iter(frames), 2)())
    assert scaled[0][1, 1] == round(100 / 4000 * 255) and scaled[1].min() == 255


def test_what_is_not_finite_is_black():
    given = np.array([[np.nan, -np.inf, 100.5, 150, 200.5]])
    assert to_uint8(given).tolist() == [[0, 0, 100, 150, 200]]
    assert not to_uint8(np.full((3, 3), np.nan)).any()
