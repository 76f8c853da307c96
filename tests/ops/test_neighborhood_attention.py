"""lgrseg/ops/neighborhood_attention.py: against a loop over every pixel."""

import pytest
import torch

from lgrseg.ops import neighborhood_attention
from lgrseg.ops.neighborhood_attention import window_indices


def test_windows_are_shifted_inward_at_the_ends():
    assert window_indices(5, 3, 1).tolist() == [
        [0, 1, 2],
        [0, 1, 2],
        [1, 2, 3],
        [2, 3, 4],
        [2, 3, 4],
    ]


def test_dilated_windows_stay_in_their_residue():
    assert window_indices(6, 3, 2).tolist() == [[0, 2, 4], [1, 3, 5]] * 3


def test_a_side_shorter_than_the_window_is_seen_whole():
    assert window_indices(2, 5, 1).tolist() == [[0, 1], [0, 1]]


def test_even_windows_have_no_centre():
    with pytest.raises(ValueError, match="odd, not 4"):
        window_indices(8, 4, 1)


@pytest.mark.parametrize(
    ("size", "kernel_size", "dilation"),
    [
        ((9, 7), 3, 1),
        ((17, 10), 5, 1),
        ((3, 2), 5, 1),
        ((8, 8), 5, 1),
        ((11, 12), 3, 2),
        ((1, 1), 5, 1),
    ],
)
def test_agrees_with_a_loop_over_every_pixel(size, kernel_size, dilation):
    height, width = size
    query, key, value = torch.randn(3, 2, 2, height, width, 4, dtype=torch.float64)
    expected = torch.zeros_like(query)
    rows = window_indices(height, kernel_size, dilation)
    columns = window_indices(width, kernel_size, dilation)
    for y in range(height):
        for x in range(width):
            keys = key[:, :, rows[y]][:, :, :, columns[x]].flatten(2, 3)  # N M k C
            values = value[:, :, rows[y]][:, :, :, columns[x]].flatten(2, 3)
            logits = torch.einsum("nmc,nmkc->nmk", query[:, :, y, x], keys) / 2  # sqrt(4)
            expected[:, :, y, x] = torch.einsum("nmk,nmkc->nmc", logits.softmax(-1), values)
    seen = neighborhood_attention(query, key, value, kernel_size=kernel_size, dilation=dilation)
    assert torch.allclose(seen, expected, atol=1e-12)


def test_gradients():
    given = [torch.randn(1, 1, 4, 3, 2, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    assert torch.autograd.gradcheck(
        lambda *maps: neighborhood_attention(*maps, kernel_size=3), given
    )
