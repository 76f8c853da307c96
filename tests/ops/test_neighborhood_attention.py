"""lgrseg/ops/neighborhood_attention.py: against a loop over every pixel."""

import pytest
import torch

from lgrseg.ops import neighborhood_attention
from lgrseg.ops.neighborhood_attention import window_mask


def drawn(mask):
    return ["".join(".#"[seen] for seen in row) for row in mask.astype(int)]


def test_windows_are_shifted_inward_at_the_ends():
    assert drawn(window_mask(5, 3, 1)) == [
        "###..",
        "###..",
        ".###.",
        "..###",
        "..###",
    ]


def test_dilated_windows_stay_in_their_residue():
    assert drawn(window_mask(6, 3, 2)) == ["#.#.#.", ".#.#.#"] * 3


def test_a_side_shorter_than_the_window_is_seen_whole():
    assert drawn(window_mask(2, 5, 1)) == ["##", "##"]


def test_residues_of_different_length_shrink_each_to_its_own():
    """Seven places, every other one: four are even and three odd; a window of five holds all."""
    assert drawn(window_mask(7, 5, 2)) == ["#.#.#.#", ".#.#.#."] * 3 + ["#.#.#.#"]


def test_settings_that_make_no_window():
    maps = torch.zeros(3, 1, 8, 8, 1, 2)
    with pytest.raises(ValueError, match="odd, so that the window has a centre; it is 4"):
        neighborhood_attention(*maps, kernel_size=4)
    with pytest.raises(ValueError, match="1 .* or more, not 0"):
        neighborhood_attention(*maps, kernel_size=3, dilation=0)


def seen_by(place, length, kernel_size, dilation):
    """The window by its definition: the places of one's own residue, nearest k, shifted inward."""
    own = [p for p in range(length) if p % dilation == place % dilation]
    begin = own.index(place) - kernel_size // 2
    begin = max(0, min(begin, len(own) - kernel_size))
    return own[begin : begin + kernel_size]


@pytest.mark.parametrize(
    ("size", "kernel_size", "dilation"),
    [
        ((9, 7), 3, 1),
        ((17, 10), 5, 1),
        ((3, 2), 5, 1),  # both sides shorter than the window
        ((2, 9), 5, 1),  # one side
        ((8, 8), 5, 1),
        ((11, 12), 3, 2),
        ((7, 9), 5, 2),  # residues of different length, some shorter than the window
        ((1, 1), 5, 1),
    ],
)
def test_agrees_with_a_loop_over_every_pixel(size, kernel_size, dilation):
    height, width = size
    query, key, value = torch.randn(3, 2, height, width, 2, 4, dtype=torch.float64)
    expected = torch.zeros_like(query)
    for y in range(height):
        for x in range(width):
            rows = seen_by(y, height, kernel_size, dilation)
            columns = seen_by(x, width, kernel_size, dilation)
            keys = key[:, rows][:, :, columns].flatten(1, 2)  # N k M C
            values = value[:, rows][:, :, columns].flatten(1, 2)
            logits = torch.einsum("nmc,nkmc->nmk", query[:, y, x], keys) / 2  # sqrt(4)
            expected[:, y, x] = torch.einsum("nmk,nkmc->nmc", logits.softmax(-1), values)
    seen = neighborhood_attention(query, key, value, kernel_size=kernel_size, dilation=dilation)
    assert torch.allclose(seen, expected, atol=1e-12)


def test_by_hand():
    """Queries of zero: every pixel of a 1 x 5 map becomes the mean of its window of three."""
    value = torch.tensor([0.0, 3.0, 6.0, 0.0, 9.0]).reshape(1, 1, 5, 1, 1)
    key = torch.randn(1, 1, 5, 1, 1)
    seen = neighborhood_attention(torch.zeros_like(key), key, value, kernel_size=3)
    assert seen.flatten().tolist() == pytest.approx([3, 3, 3, 5, 5])


def test_trains_after_a_first_call_in_inference_mode():
    """What is kept from call to call must not be an inference tensor."""
    maps = [torch.randn(1, 6, 13, 1, 2, requires_grad=True) for _ in range(3)]
    with torch.inference_mode():
        neighborhood_attention(*maps, kernel_size=3)
    neighborhood_attention(*maps, kernel_size=3).sum().backward()
    assert maps[2].grad.sum() == pytest.approx(6 * 13 * 2, rel=1e-5)


def test_gradients():
    given = [torch.randn(1, 4, 3, 1, 2, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    assert torch.autograd.gradcheck(
        lambda *maps: neighborhood_attention(*maps, kernel_size=3), given
    )
