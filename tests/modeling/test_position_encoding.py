"""lgrseg/modeling/position_encoding.py."""

import math

import pytest
import torch
from safetensors import safe_open

from lgrseg.modeling.position_encoding import sine_position_1d, sine_position_2d, sine_position_3d


def test_by_hand():
    # Two positions on the circle: pi and 2 pi. Waves of 1 and 100 for four channels.
    first, second = sine_position_1d(2, 4).tolist()
    assert first == pytest.approx(
        [0, -1, math.sin(math.pi / 100), math.cos(math.pi / 100)], abs=1e-5
    )
    assert second == pytest.approx([0, 1, math.sin(math.pi / 50), math.cos(math.pi / 50)], abs=1e-5)


def test_plane_and_time_are_made_of_lines():
    plane = sine_position_2d(3, 5, 8)
    assert torch.equal(plane[:4, :, 0], sine_position_1d(3, 4).T)
    assert torch.equal(plane[4:, 0], sine_position_1d(5, 4).T)
    clip = sine_position_3d(2, 3, 5, 8)
    assert torch.allclose(clip[1, :, 2, 4] - plane[:, 2, 4], sine_position_1d(2, 8)[1], atol=1e-6)


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
                ours = sine_position_3d(*[theirs.shape[i] for i in (0, 2, 3, 1)])
            assert (ours - theirs).abs().max() < 1e-5, name
