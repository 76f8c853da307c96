"""lgrseg/ops/ms_deform_attn.py: against a loop over every sample, and transformers' version."""

import pytest
import torch

from lgrseg.ops import ms_deform_attn, ms_deform_attn_softmax, reference_points

SHAPES = [(3, 4), (2, 1)]


def example(*, queries=5, heads=2, width=3, points=2, dtype=torch.float64):
    value = torch.randn(2, 14, heads, width, dtype=dtype)
    # Some points fall outside, as learned offsets do.
    locations = torch.rand(2, queries, heads, 2, points, 2, dtype=dtype) * 1.4 - 0.2
    weights = torch.rand(2, queries, heads, 2, points, dtype=dtype)
    return value, locations, weights / weights.sum(dim=(-2, -1), keepdim=True)


def bilinear(image, x, y):
    """(C, H, W) at pixel coordinates where pixel centres are whole numbers; outside is zero."""
    height, width = image.shape[1:]
    total = torch.zeros(image.shape[0], dtype=image.dtype)
    for row in (int(y // 1), int(y // 1) + 1):
        for column in (int(x // 1), int(x // 1) + 1):
            if 0 <= row < height and 0 <= column < width:
                share = (1 - abs(y - row)) * (1 - abs(x - column))
                total = total + share * image[:, row, column]
    return total


def test_by_hand():
    # One level of 1 x 2 pixels, 10 and 20; half-way between their centres is x = 0.5.
    value = torch.tensor([10.0, 20.0]).reshape(1, 2, 1, 1)
    at = torch.tensor([[0.25, 0.5], [0.5, 0.5], [0.75, 0.5], [2.0, 0.5]])
    seen = ms_deform_attn(value, [(1, 2)], at.reshape(1, 4, 1, 1, 1, 2), torch.ones(1, 4, 1, 1, 1))
    assert seen.flatten().tolist() == [10, 15, 20, 0]


def test_agrees_with_a_loop_over_every_sample():
    value, locations, weights = example()
    expected = torch.zeros(2, 5, 2, 3, dtype=torch.float64)
    begin = 0
    for level, (height, width) in enumerate(SHAPES):
        part = value[:, begin : begin + height * width]
        begin += height * width
        for b, q, m, p in torch.cartesian_prod(*map(torch.arange, (2, 5, 2, 2))).tolist():
            image = part[b, :, m].T.reshape(3, height, width)
            x, y = locations[b, q, m, level, p].tolist()
            sample = bilinear(image, x * width - 0.5, y * height - 0.5)
            expected[b, q, m] += weights[b, q, m, level, p] * sample
    seen = ms_deform_attn(value, SHAPES, locations, weights)
    assert torch.allclose(seen, expected.flatten(2), atol=1e-12)


def test_agrees_with_transformers():
    peers = pytest.importorskip("transformers.models.mask2former.modeling_mask2former")
    value, locations, weights = example(dtype=torch.float32)
    shapes = SHAPES
    theirs = peers.multi_scale_deformable_attention(value, shapes, locations, weights)
    assert torch.allclose(ms_deform_attn(value, SHAPES, locations, weights), theirs, atol=1e-6)


@pytest.mark.parametrize("function", [ms_deform_attn, ms_deform_attn_softmax])
def test_gradients(function):
    given = [tensor.requires_grad_() for tensor in example(queries=2, points=1)]
    assert torch.autograd.gradcheck(
        lambda value, locations, weights: function(value, SHAPES, locations, weights), given
    )


def test_the_softmax_is_over_levels_and_points():
    value, locations, scores = example()
    weights = scores.flatten(-2).softmax(dim=-1).reshape(scores.shape)
    expected = ms_deform_attn(value, SHAPES, locations, weights)
    assert torch.allclose(ms_deform_attn_softmax(value, SHAPES, locations, scores), expected)


def test_levels_that_do_not_add_up():
    value, locations, weights = example()
    with pytest.raises(ValueError, match=r"have 13 values, but 14 were given"):
        ms_deform_attn(value, [(3, 4), (1, 1)], locations, weights)


def test_reference_points_are_pixel_centres():
    points = reference_points([(1, 2), (2, 1)], torch.device("cpu"))
    assert points.tolist() == [[0.25, 0.5], [0.75, 0.5], [0.5, 0.25], [0.5, 0.75]]
