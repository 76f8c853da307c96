"""Teacher forcing: wrong inputs and soft targets."""

import pytest
import torch

from lgrseg.modeling.autoregressive.teaching import corrupted, nearest_codes, soft_targets

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
