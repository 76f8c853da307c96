"""Teacher forcing: wrong inputs and soft targets."""

import pytest
import torch

from lgrseg.modeling.autoregressive.moved_masks import MovedMasks
from lgrseg.modeling.autoregressive.teaching import (
    corrupted,
    draw_moved,
    nearest_codes,
    soft_targets,
)

CODEBOOK = torch.tensor([[0.0], [1.0], [3.0], [10.0]])


def test_nearest_codes():
    assert nearest_codes(CODEBOOK, torch.tensor([0, 3])).tolist() == [[1, 2, 3], [2, 1, 0]]


def test_the_share_of_wrong_tokens():
    generator = torch.Generator().manual_seed(0)
    codebook = torch.randn(256, 4, generator=generator)
    tokens = torch.randint(256, (400, 64), generator=generator)
    uniform = torch.rand(400, 65, 3, generator=generator)
    wrong = (corrupted(tokens, codebook, uniform, 0.4) != tokens).float().mean(dim=1)
    assert wrong.mean() == pytest.approx(0.2, abs=0.02)  # shares are uniform from 0 to 0.4
    assert wrong.max() > 0.3 and wrong.min() == 0
    assert torch.equal(corrupted(tokens, codebook, uniform, 0.0), tokens)


def test_soft_targets():
    exact = soft_targets(torch.tensor([2]), CODEBOOK, neighbours=0.0, temperature=1.0)
    assert exact.tolist() == [[0, 0, 1, 0]]
    soft = soft_targets(torch.tensor([0]), CODEBOOK, neighbours=0.5, temperature=0.1)[0]
    width = 0.1 * CODEBOOK.var().item()
    near = (-torch.tensor([0.0, 1.0, 9.0, 100.0]) / width).exp()
    expected = 0.5 * near / near.sum() + 0.5 * torch.tensor([1.0, 0, 0, 0])
    torch.testing.assert_close(soft, expected)


def test_moved_masks():
    """A square of 8 x 8 pixels that is moved by a quarter of the side, to the left and up."""
    shares = torch.zeros(1, 2, 32, 32)
    shares[0, 1, 12:20, 12:20] = 1
    shares[0, 0] = 1 - shares[0, 1]
    move = MovedMasks(rotation=90, scale=0.5, shift=0.25)
    still, moved, turned = (
        move(shares, torch.tensor([numbers]))
        for numbers in ([0, 0, 0, 0.0], [0, 0, 1, 1.0], [1, 0, 0, 0.0])
    )
    torch.testing.assert_close(still, shares)
    torch.testing.assert_close(moved[0, 1, 4:12, 4:12], torch.ones(8, 8))
    torch.testing.assert_close(moved.sum(dim=1), torch.ones(1, 32, 32))
    torch.testing.assert_close(turned, shares, atol=1e-4, rtol=0)
    twice = move(shares, torch.tensor([[0, 1, 0, 0.0]]))
    assert float(twice[0, 1].sum()) == pytest.approx(64 * 1.5**2, rel=0.1)


def test_the_share_of_moved_masks():
    shares = torch.rand(1, 3, 8, 8).expand(200, -1, -1, -1)
    generators = [torch.Generator().manual_seed(seed) for seed in range(200)]
    moved = (draw_moved(0.7, shares, generators) != shares).flatten(1).any(dim=1)
    assert 120 < int(moved.sum()) < 160
    assert torch.equal(draw_moved(0.0, shares, generators), shares)
