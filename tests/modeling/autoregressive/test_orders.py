"""Orders: blocks, positions and which token sees which."""

from types import SimpleNamespace

import pytest
import torch

from lgrseg.modeling.autoregressive.orders import (
    Hilbert,
    NextScale,
    Raster,
    by_rows,
    places,
    visible_tokens,
)


def test_blocks():
    assert NextScale().scales((16, 16)) == [(1, 1), (2, 2), (4, 4), (8, 8), (16, 16)]
    assert NextScale().block_sizes((16, 16)) == [1, 4, 16, 64, 256]
    assert NextScale(num_scales=1).block_sizes((4, 4)) == [16]
    assert NextScale().scales((3, 5)) == [(1, 1), (1, 2), (2, 3), (3, 5)]
    assert Raster().block_sizes((2, 3)) == [1] * 6
    with pytest.raises(ValueError, match="num_scales=0"):
        NextScale(num_scales=0)


def test_a_coarse_token_is_in_the_middle_of_its_cells():
    found = places([(1, 1), (2, 2)], torch.device("cpu")).tolist()
    assert found == [[0, 0.5, 0.5], [0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]]


def test_visible_tokens():
    prefix, first, second = [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 1]
    expected = [prefix, prefix, first, second, second]
    assert visible_tokens(2, [1, 2], torch.device("cpu")).int().tolist() == expected


def test_the_tokens_of_a_hilbert_curve():
    """On 2 x 2 cells the curve goes down, right and up: cells 0, 2, 3, 1 of the rows."""
    walk = Hilbert().walk((2, 2), torch.device("cpu"))
    assert walk.tolist() == [0, 2, 3, 1]
    in_order = torch.tensor([[10, 12, 13, 11]])
    assert by_rows(in_order, walk).tolist() == [[10, 11, 12, 13]]
    tokenizer = SimpleNamespace(codebook=torch.arange(20.0)[:, None])
    tokens = torch.tensor([[[10, 11], [12, 13]]])
    assert Hilbert().contents(tokenizer, [tokens]).flatten().tolist() == [10, 12, 13]
    assert Raster().contents(tokenizer, [tokens]).flatten().tolist() == [10, 11, 12]
