"""lgrseg/ops/point_sample.py."""

import torch

from lgrseg.ops import point_sample, uncertain_points


def test_centres_between_them_and_outside():
    maps = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    points = torch.tensor([[[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.5, 0.5], [1.5, 0.5]]])
    assert point_sample(maps, points).flatten().tolist() == [1, 2, 3, 2.5, 0]


def test_channels_share_the_points():
    maps = torch.arange(2.0).reshape(1, 2, 1, 1).expand(1, 2, 4, 4)
    assert point_sample(maps, torch.full((1, 3, 2), 0.5))[0].tolist() == [[0] * 3, [1] * 3]


def test_gradients_of_maps_and_points():
    maps = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    points = torch.rand(1, 5, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(point_sample, (maps, points))


def test_the_most_uncertain_candidates_are_kept():
    """A ramp from -2 to 2 along x: nearest to zero are the candidates nearest to the middle."""
    logits = torch.linspace(-2, 2, 9).expand(1, 3, 9)
    x = torch.tensor([0.1, 0.52, 0.9, 0.45, 0.3])
    candidates = torch.stack([x, torch.full((5,), 0.5)], dim=-1)[None]
    kept = uncertain_points(logits, candidates, 2)
    assert sorted(kept[0, :, 0].tolist()) == sorted([x[1].item(), x[3].item()])
