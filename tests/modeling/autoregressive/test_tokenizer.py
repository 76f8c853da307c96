"""The mask tokenizer: patches are encoded alone, sizes, shapes with a known answer, errors."""

import pytest
import torch
from disc_clips import disc_clip, learn_discs, share_clip

from lgrseg.modeling.autoregressive.codec import CellShares, CellUpsampler
from lgrseg.modeling.autoregressive.frozen import fingerprint
from lgrseg.modeling.autoregressive.quantizers import (
    ClassIndices,
    ScalarQuantizer,
    VectorQuantizer,
)
from lgrseg.modeling.autoregressive.tokenizer import (
    MaskTokenizer,
    padded_shares,
    pure_patches,
    share_losses,
    shares_of_labels,
)
from lgrseg.structures import Clip


def tokenizer_of(*, num_classes=2, levels=None):
    torch.manual_seed(0)
    quantizer = VectorQuantizer(num_codes=64, dim=4)
    if levels:
        quantizer = ScalarQuantizer(levels=levels)
    return MaskTokenizer(num_classes=num_classes, quantizer=quantizer)


@pytest.mark.parametrize("levels", [None, (5, 5)], ids=["learned", "grid"])
def test_equal_patches_have_equal_tokens(levels):
    tokenizer = tokenizer_of(levels=levels).eval()
    labels = torch.zeros(1, 64, 96, dtype=torch.int64)
    labels[:, 16:48, 32:64] = 2
    labels[:, 50:60, 70:90] = 1
    tokens = tokenizer.tokens(shares_of_labels(labels, 2))
    pure = pure_patches(shares_of_labels(labels, 2))
    assert tokens.shape == pure.shape == (1, 4, 6)
    assert pure.sum() == 24 - 2  # the rectangle of class 1 lies in two patches of the last row
    assert len(tokens[0, 1:3, 2:4].unique()) == 1  # class 2
    background = pure & (labels[:, ::16, ::16] == 0)
    assert len(tokens[background].unique()) == 1


@pytest.mark.parametrize("num_classes", [1, 3, 7])
def test_any_number_of_classes_and_any_size(num_classes):
    tokenizer = tokenizer_of(num_classes=num_classes).eval()
    frames = torch.zeros(2, num_classes + 1, 40, 56)
    frames[:, 0] = 1
    (prediction,) = tokenizer([Clip(frames, torch.arange(2), "a")])
    assert prediction.mask_logits.shape == (num_classes, 2, 40, 56)
    assert prediction.tokens.shape == (2, 3, 4)


def test_class_indices_without_training_are_nearest_neighbours():
    decoder = CellUpsampler(num_classes=2, stride=8)
    parts = {"encoder": CellShares(stride=8), "decoder": decoder}
    tokenizer = MaskTokenizer(num_classes=2, quantizer=ClassIndices(num_classes=2), **parts)
    labels = torch.zeros(1, 16, 24, dtype=torch.int64)
    labels[:, :8, :5] = 2  # the larger part of a cell
    labels[:, 8:, 8:11] = 1  # the smaller part
    shares = shares_of_labels(labels, 2)
    (prediction,) = tokenizer.eval()([Clip(shares, torch.arange(1), "a")])
    assert prediction.tokens.tolist() == [[[2, 0, 0], [0, 0, 0]]]
    found = prediction.mask_logits[:, 0] > 0
    assert found[1, :8, :8].all() and found.sum() == 64


def test_pictures_are_refused():
    clip, _ = disc_clip(1)
    with pytest.raises(ValueError, match="use MaskMapper"):
        tokenizer_of().eval()([clip])


def test_losses_of_a_perfect_and_of_a_uniform_reconstruction():
    labels = torch.zeros(1, 16, 16, dtype=torch.int64)
    labels[:, :8] = 1
    shares = shares_of_labels(labels, 1)
    perfect = share_losses(100 * shares, shares, 1)
    assert perfect["loss_ce"] == pytest.approx(0, abs=1e-6)
    assert perfect["loss_dice"] == pytest.approx(0, abs=1e-6)
    uniform = share_losses(0 * shares, shares, 1)
    assert uniform["loss_ce"] == pytest.approx(0.693147)
    assert uniform["loss_dice"] == pytest.approx(1 - (2 * 64 + 1) / (128 + 128 + 1))


def test_padding_is_background():
    padded = padded_shares(torch.full((1, 3, 10, 20), 1 / 3), 16)
    assert padded.shape == (1, 3, 16, 32)
    torch.testing.assert_close(padded.sum(dim=1), torch.ones(1, 16, 32))
    assert padded[0, :, 15, 31].tolist() == [1, 0, 0]


def test_the_fingerprint_changes_with_any_weight():
    tokenizer = tokenizer_of()
    before = fingerprint(tokenizer)
    assert torch.equal(before, fingerprint(tokenizer_of()))
    tokenizer.codebook[3, 1] += 1e-4
    assert not torch.equal(before, fingerprint(tokenizer))


@pytest.mark.slow
@pytest.mark.parametrize("levels", [None, (5, 5, 5)], ids=["learned", "grid"])
def test_shapes_survive_the_round_trip(levels):
    """After a short training on discs, a disc of a new radius is reconstructed."""
    tokenizer = learn_discs(tokenizer_of(num_classes=1, levels=levels))
    clip, targets = share_clip(15.5)
    with torch.inference_mode():
        (prediction,) = tokenizer([clip])
    found, truth = prediction.mask_logits[0] > 0, targets.masks[0]
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.96
