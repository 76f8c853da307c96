"""Quantizers: the nearest code, moving codes, codes of a grid."""

import pytest
import torch

from lgrseg.modeling.autoregressive.quantizers import ScalarQuantizer, VectorQuantizer


def test_the_nearest_code_is_chosen():
    quantizer = VectorQuantizer(num_codes=3, dim=2).eval()
    quantizer.codebook.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    vectors = torch.tensor([[0.9, 0.1], [0.1, 0.2], [0.2, 3.0]])
    indices, loss = quantizer(vectors, torch.ones(3, dtype=torch.bool))
    assert indices.tolist() == [1, 0, 2]
    squares = 0.1**2 + 0.1**2 + 0.1**2 + 0.2**2 + 0.2**2 + 2.0**2
    assert loss.item() == pytest.approx(0.25 * squares / 6)


def test_codes_move_to_the_mean_of_their_vectors():
    quantizer = VectorQuantizer(num_codes=2, dim=1, decay=0.5, least_count=0.0)
    quantizer.is_started.fill_(True)
    for buffer in (quantizer.codebook, quantizer.sums):
        buffer.copy_(torch.tensor([[0.0], [10.0]]))
    quantizer(torch.tensor([[1.0], [3.0], [8.0]]), torch.ones(3, dtype=torch.bool))
    # counts: (1 + 2) / 2 and (1 + 1) / 2, sums: (0 + 4) / 2 and (10 + 8) / 2
    assert quantizer.counts.tolist() == [1.5, 1.0]
    torch.testing.assert_close(quantizer.codebook, torch.tensor([[2 / 1.5], [9.0]]))


def test_unused_codes_are_replaced_by_boundary_patches_only():
    torch.manual_seed(0)
    quantizer = VectorQuantizer(num_codes=4, dim=1, decay=0.5, least_count=0.2)
    quantizer.is_started.fill_(True)
    for buffer in (quantizer.codebook, quantizer.sums):
        buffer.copy_(torch.tensor([[0.0], [50.0], [60.0], [70.0]]))
    vectors, is_boundary = torch.tensor([[0.0], [0.0], [1.0]]), torch.tensor([False, False, True])
    for _ in range(6):
        quantizer(vectors, is_boundary)
    revived = quantizer.codebook.flatten().round().tolist()
    assert revived.count(1.0) >= 1 and revived.count(0.0) == 1


def test_no_boundary_patch_revives_nothing():
    quantizer = VectorQuantizer(num_codes=4, dim=1, decay=0.5)
    for _ in range(8):
        quantizer(torch.zeros(5, 1), torch.zeros(5, dtype=torch.bool))
    assert torch.isfinite(quantizer.codebook).all()


def test_grid_codes():
    quantizer = ScalarQuantizer(levels=(3, 2))
    expected = [[-1, -1], [-1, 1], [0, -1], [0, 1], [1, -1], [1, 1]]
    assert quantizer.codebook.tolist() == expected and quantizer.num_codes == 6
    vectors = torch.tensor([[-0.9, 0.8], [0.1, -0.2], [2.0, 0.3]])
    assert quantizer.indices(vectors).tolist() == [1, 2, 5]
    assert quantizer.indices(quantizer.codebook).tolist() == list(range(6))
    assert quantizer.bound(torch.tensor([100.0, 0.0])).tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="2 levels or more"):
        ScalarQuantizer(levels=(8, 1))
