"""lgrseg/layers/position_encoding.py."""

import math

import pytest
import torch
from safetensors import safe_open

from lgrseg.layers.position_encoding import (
    sine_patches,
    sine_position_1d,
    sine_position_2d,
    sine_time,
)


def test_by_hand():
    # Two positions on the circle: pi and 2 pi. Waves of 1 and 100 for four channels.
    first, second = sine_position_1d(2, 4).tolist()
    assert first == pytest.approx(
        [0, -1, math.sin(math.pi / 100), math.cos(math.pi / 100)], abs=1e-5
    )
    assert second == pytest.approx([0, 1, math.sin(math.pi / 50), math.cos(math.pi / 50)], abs=1e-5)


def test_frame_times_are_told_by_their_distance():
    # Four frames later is a quarter of a round of the fastest wave, which has the first channels.
    code = sine_time(torch.tensor([[10, 14, 26], [0, 4, 16]]), 4, period=16)
    assert code[0, 1].tolist() == pytest.approx(
        [1, 0, math.sin(math.pi / 200), math.cos(math.pi / 200)], abs=1e-5
    )
    assert torch.equal(code[0], code[1])  # when the clip begins does not matter
    assert not torch.allclose(code[0, 2], code[0, 0])  # a whole round: the slower wave tells


def test_the_plane_is_made_of_lines():
    plane = sine_position_2d(3, 5, 8)
    assert torch.equal(plane[:4, :, 0], sine_position_1d(3, 4).T)
    assert torch.equal(plane[4:, 0], sine_position_1d(5, 4).T)


def test_agrees_with_the_public_model(shared):
    file = shared / "lgrnet_public" / "fixture" / "output.safetensors"
    if not file.is_file():
        pytest.skip(f"no {file}")
    with safe_open(file, "pt") as expected:
        for name in sorted(name for name in expected.keys() if name.startswith("pos_")):
            theirs = expected.get_tensor(name)[0]
            if name == "pos_1d":
                ours = sine_position_1d(theirs.shape[1], theirs.shape[0]).T
            elif name.startswith("pos_2d"):
                ours = sine_position_2d(*theirs.shape[1:], theirs.shape[0])
            else:  # t channel h w
                plane = sine_position_2d(*theirs.shape[2:], theirs.shape[1])
                ours = plane + sine_position_1d(*theirs.shape[:2])[:, :, None, None]
            assert (ours - theirs).abs().max() < 1e-5, name


def test_patches_are_encoded_column_then_row():
    encoding = sine_patches(3, 8)
    assert encoding.shape == (10, 8) and encoding[0].abs().max() == 0  # the class token
    waves = [[math.sin(p), math.sin(p / 100), math.cos(p), math.cos(p / 100)] for p in range(3)]
    for row in range(3):
        for column in range(3):
            expected = torch.tensor(waves[column] + waves[row])
            torch.testing.assert_close(encoding[1 + 3 * row + column], expected)
