"""Use of codes, with entropies that a person can work out."""

import numpy as np
import pytest

from lgrseg.evaluation.mask_tokens import entropy_bits, token_use


def test_entropy():
    assert entropy_bits(np.array([7, 7, 7])) == 0
    assert entropy_bits(np.array([1, 2, 3, 4])) == pytest.approx(2)
    assert entropy_bits(np.array([], dtype=int)) == 0


def test_token_use():
    tokens = np.array([[[0, 0, 1, 2], [5, 5, 6, 7]]])
    pure_class = np.array([[[0, 0, 0, 0], [1, 1, -1, -1]]])
    use = token_use(tokens, pure_class)
    assert use["codes_used"] == 6 and use["boundary_codes"] == 2
    assert use["pure_share"] == 0.75
    # Background: 0 0 1 2 has 1.5 bits, four patches; class 1: 0 bits, two patches.
    assert use["pure_patch_bits"] == pytest.approx(4 * 1.5 / 6)
    assert use["boundary_bits"] == pytest.approx(1)
    assert use["perplexity"] == pytest.approx(2 ** use["bits"])
