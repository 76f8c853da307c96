"""Orders: blocks, positions and which token sees which."""

import pytest
import torch

from lgrseg.modeling.autoregressive.orders import NextScale, Raster, places, visible_tokens


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
