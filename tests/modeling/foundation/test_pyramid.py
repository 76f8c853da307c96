"""Pyramids: where samples are taken, how large levels are, what is refused."""

import pytest
import torch
import torch.nn.functional as F

from lgrseg.modeling.foundation.pyramid import (
    ResizedPyramid,
    ViTPyramid,
    image_size,
    resample,
)


def test_samples_by_hand():
    """A map of 0, 1, 2 at stride 4, whose centres are at 2, 6, 10 px, at other strides."""
    maps = torch.tensor([0.0, 1, 2]).expand(1, 1, 3, 3)
    halved = resample(maps, stride=4, to_stride=2, size=(1, 6))
    # Centres at 1, 3, 5, 7, 9, 11 px; before the first and after the last the border goes on.
    assert halved.flatten().tolist() == pytest.approx([0, 0.25, 0.75, 1.25, 1.75, 2])
    odd = resample(maps, stride=4, to_stride=3, size=(1, 5))  # 1.5, 4.5, 7.5, 10.5, 13.5 px
    assert odd.flatten().tolist() == pytest.approx([0, 0.625, 1.375, 2, 2])
    assert resample(maps, stride=4, to_stride=4, size=(3, 3)) is maps


def test_positions_stay_exact_in_half_precision():
    maps = torch.arange(26.0).expand(1, 1, 26, 26)
    exact = resample(maps, stride=14, to_stride=4, size=(1, 88))
    half = resample(maps.bfloat16(), stride=14, to_stride=4, size=(1, 88))
    assert half.dtype == torch.bfloat16
    assert torch.allclose(half.float(), exact, rtol=0.004, atol=0.01)


def test_whole_factors_are_those_of_interpolate():
    maps = torch.rand(2, 3, 4, 5)
    found = resample(maps, stride=16, to_stride=4, size=(16, 20))
    assert torch.allclose(found, F.interpolate(maps, scale_factor=4, mode="bilinear"), atol=1e-6)


@pytest.mark.parametrize("stride", [14, 16])
def test_the_size_of_padded_images_is_known_from_the_map(stride):
    for height in range(32, 513, 32):
        maps = torch.zeros(1, 1, -(-height // stride), -(-64 // stride))
        assert image_size(maps, stride) == (height, 64)


def test_the_size_of_others_is_that_of_whole_patches():
    assert image_size(torch.zeros(1, 1, 3, 3), 16) == (48, 48)


@pytest.mark.parametrize("stride", [14, 16])
@pytest.mark.parametrize("size", [(64, 96), (70, 101), (14, 16), (33, 224)])
def test_levels_cover_the_image(stride, size):
    maps = torch.rand(2, 8, -(-size[0] // stride), -(-size[1] // stride))
    for neck in (
        ViTPyramid(in_channels=8, stride=stride, dim=6),
        ResizedPyramid(in_channels=8, stride=stride),
    ):
        levels = neck([maps], size=size)
        assert list(levels) == ["res2", "res3", "res4", "res5"] == list(neck.channels)
        for name, level in levels.items():
            s = neck.strides[name]
            wanted = (2, neck.channels[name], -(-size[0] // s), -(-size[1] // s))
            assert level.shape == wanted


def test_the_recipe_by_hand():
    """At stride 16 res4 is the projected map and res5 the projected maximum of 2 x 2."""
    neck = ViTPyramid(in_channels=8, stride=16, dim=4)
    maps = torch.rand(1, 8, 4, 6)
    levels = neck([maps])
    assert torch.equal(levels["res4"], neck.project["res4"](maps))
    assert torch.equal(levels["res5"], neck.project["res5"](F.max_pool2d(maps, 2)))
    finer = neck.scale["res3"](maps)
    assert finer.shape == (1, 4, 8, 12)
    assert torch.equal(levels["res3"], neck.project["res3"](finer))
    mean = levels["res2"].mean(dim=1)
    assert torch.allclose(mean, torch.zeros_like(mean), atol=1e-5)  # the last norm


def test_four_maps_feed_one_level_each():
    neck = ResizedPyramid(in_channels=2, stride=16)
    maps = [torch.full((1, 2, 2, 2), float(i)) for i in range(4)]
    levels = neck(maps)
    assert [level.unique().tolist() for level in levels.values()] == [[0.0], [1.0], [2.0], [3.0]]


def test_a_pyramid_without_parameters():
    assert not list(ResizedPyramid(in_channels=8, stride=14).parameters())


@pytest.mark.parametrize(
    ("channels", "strides", "message"),
    [
        ([384], [14], "give the neck in_channels=384, stride=14"),
        ([768, 768], [16, 16], "needs one map or four, not 2"),
    ],
)
def test_a_neck_for_other_maps(channels, strides, message):
    with pytest.raises(ValueError, match=message):
        ViTPyramid(in_channels=768, stride=16).check(channels, strides)
