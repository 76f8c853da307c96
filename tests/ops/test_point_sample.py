"""lgrseg/ops/point_sample.py."""

import pytest
import torch
import torch.nn.functional as F

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


def test_at_the_border_the_outermost_pixels_go_on():
    maps = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    points = torch.tensor([[[0.0, 0.0], [1.0, 0.1], [0.5, 1.0], [0.5, 0.5], [7.0, 9.0]]])
    assert point_sample(maps, points, padding="border").flatten().tolist() == [1, 2, 3.5, 2.5, 4]
    assert point_sample(maps, points)[0, 0, 0] == 0.25
    with pytest.raises(ValueError, match="padding must be one of zeros, border, not 'reflect'"):
        point_sample(maps, points, padding="reflect")


def test_the_border_is_that_of_torch_and_so_are_gradients():
    leaves = torch.randn(2, 3, 5, 4).double(), (1.6 * torch.rand(2, 40, 2) - 0.3).double()
    ours, theirs = ([leaf.clone().requires_grad_() for leaf in leaves] for _ in range(2))
    grid = 2 * theirs[1][:, :, None] - 1
    expected = F.grid_sample(theirs[0], grid, padding_mode="border", align_corners=False)[..., 0]
    values = point_sample(*ours, padding="border")
    assert torch.allclose(values, expected)
    weights = torch.randn_like(expected)
    (weights * values).sum().backward()
    (weights * expected).sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a.grad, b.grad)


def test_the_most_uncertain_candidates_are_kept():
    """A ramp from -2 to 2 along x: nearest to zero are the candidates nearest to the middle."""
    logits = torch.linspace(-2, 2, 9).expand(1, 3, 9)
    x = torch.tensor([0.1, 0.52, 0.9, 0.45, 0.3])
    candidates = torch.stack([x, torch.full((5,), 0.5)], dim=-1)[None]
    kept = uncertain_points(logits, candidates, 2)
    assert sorted(kept[0, :, 0].tolist()) == sorted([x[1].item(), x[3].item()])
