"""lgrseg/ops/point_sample.py."""

import torch

from lgrseg.ops import point_sample


def test_centres_between_them_and_outside():
    maps = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    points = torch.tensor([[[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.5, 0.5], [1.5, 0.5]]])
    assert point_sample(maps, points).flatten().tolist() == [1, 2, 3, 2.5, 0]


def test_channels_share_the_points():
    maps = torch.arange(2.0).reshape(1, 2, 1, 1).expand(1, 2, 4, 4)
    assert point_sample(maps, torch.full((1, 3, 2), 0.5))[0].tolist() == [[0] * 3, [1] * 3]
