"""Blocks and bands: how much is hidden, what stays as it is, and where errors count."""

import math

import pytest
import torch

from lgrseg.modeling.pretraining.masking import (
    FrequencyMasking,
    SpatialMasking,
    block_mask,
    without_frequencies,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("size", "ratio", "blocks"),
    [((224, 224), 0.6, 30), ((64, 96), 0.5, 3), ((96, 96), 1 / 3, 3), ((32, 320), 0.9, 9)],
)
def test_the_share_of_blocks_is_rounded_up(size, ratio, blocks):  # 49 blocks, 6, 9 and 10
    mask = block_mask(size, 32, ratio, generator())
    assert mask.shape == size and int(mask.sum()) == blocks * 32**2
    corners = mask[::32, ::32].repeat_interleave(32, 0).repeat_interleave(32, 1)
    assert torch.equal(mask, corners)  # whole blocks


def test_blocks_at_the_rim_are_cut():
    visible = ~block_mask((40, 50), 32, 0.7, generator())  # all but one of 4 blocks
    assert int(visible.sum()) in {32 * 32, 32 * 18, 8 * 32, 8 * 18}


def test_an_image_that_would_be_hidden_as_a_whole_is_refused():
    with pytest.raises(ValueError, match="0.6 of the 1 blocks of 32 px of an image of 32 x 30 px"):
        SpatialMasking().hide(torch.rand(3, 32, 30), generator())


def test_blocks_have_the_mean_of_the_image_and_the_rest_is_unchanged():
    image = torch.rand(3, 64, 64)
    visible, mask = SpatialMasking().hide(image, generator())
    assert int(mask.sum()) == 3 * 32**2  # ceil(.6 * 4)
    assert torch.equal(visible[:, ~mask], image[:, ~mask])
    for channel, values in zip(visible, image, strict=True):
        assert channel[mask].unique().tolist() == [pytest.approx(float(values.mean()))]


def test_masks_follow_the_generator():
    image = torch.rand(1, 96, 96)
    for masking in (SpatialMasking(), FrequencyMasking()):
        (_, one), (_, same), (_, other) = (
            masking.hide(image, generator(seed)) for seed in (1, 1, 2)
        )
        assert torch.equal(one, same) and not torch.equal(one, other)


def test_the_bands_at_224_pixels():
    bands = FrequencyMasking().bands((224, 224))
    edges = [8, 10, 13, 16, 20, 26, 33, 42, 54, 70, 91, 112]  # r + min(int(.3 r), 24)
    assert len(bands) == len(edges) - 1
    for band, low, high in zip(bands, edges, edges[1:], strict=False):
        row = band[0, :113]  # horizontal frequencies 0 to 112, the highest
        expected = list(range(low, high if high < 112 else 113))
        assert row.nonzero().flatten().tolist() == expected
    assert int(torch.stack(bands).sum(dim=0).max()) == 1  # no frequency is in two bands


def test_bands_of_an_oblong_image_are_rings_in_the_scale_of_its_shorter_side():
    (first, *_) = FrequencyMasking(first=8, growth=0.25).bands((64, 128))
    assert first[:33, 0].nonzero().flatten().tolist() == [8, 9]
    assert first[0, :65].nonzero().flatten().tolist() == [16, 17, 18, 19]  # 8 to 9.5 of 64 px


@pytest.mark.parametrize("size", [(64, 64), (63, 64), (64, 95)])
def test_only_the_removed_frequencies_change(size):
    image = torch.rand(3, *size)
    visible, removed = FrequencyMasking().hide(image, generator())
    before, after = torch.fft.fft2(image), torch.fft.fft2(visible)
    energy, left = before.abs().square(), after.abs().square()
    assert energy[:, removed].sum() > 0.01  # something was there
    assert left[:, removed].sum() / energy[:, removed].sum() < 1e-5
    assert ((left - energy)[:, ~removed].abs().sum() / energy[:, ~removed].sum()) < 1e-5
    assert (after - before)[:, ~removed].abs().max() < 1e-5 * before.abs().max()


@pytest.mark.parametrize("size", [(64, 64), (63, 94)])
def test_the_removed_part_and_the_rest_add_up_to_the_image(size):
    image = torch.rand(2, *size, dtype=torch.float64)
    visible, removed = FrequencyMasking().hide(image, generator())
    hidden = without_frequencies(image, ~removed)
    torch.testing.assert_close(visible + hidden, image, rtol=0, atol=1e-12)
    nothing = torch.zeros(size, dtype=torch.bool)
    torch.testing.assert_close(without_frequencies(image, nothing), image, rtol=0, atol=1e-12)


def test_a_wave_in_a_removed_band_vanishes_and_others_stay():
    position = torch.arange(64) / 64
    fine, coarse = (torch.sin(2 * math.pi * k * position).expand(1, 64, 64) for k in (9, 3))
    ring = FrequencyMasking().bands((64, 64))[0]  # 8 and 9 cycles
    torch.testing.assert_close(without_frequencies(fine + coarse, ring), coarse)


@pytest.mark.parametrize("ratio", [0.02, 0.5, 0.9])
def test_the_number_of_removed_bands_is_rounded_down_but_not_to_none(ratio):
    masking = FrequencyMasking(ratio=ratio)
    bands = masking.bands((96, 96))  # edges 8 10 13 16 20 26 33 42 and 48: 8 bands
    _, removed = masking.hide(torch.rand(1, 96, 96), generator())
    touched = [bool(band[removed].any()) for band in bands]
    assert sum(touched) == {0.02: 1, 0.5: 4, 0.9: 7}[ratio]
    assert all(bool(removed[band].all()) for band, hit in zip(bands, touched, strict=True) if hit)


def test_the_error_of_visible_pixels_is_exactly_zero():
    masking, images = SpatialMasking(), torch.rand(2, 3, 64, 64)
    masks = torch.stack([masking.hide(image, generator(n))[1] for n, image in enumerate(images)])
    wrong = torch.where(masks[:, None], images, images + 7).requires_grad_()
    errors = masking.errors(wrong, images, masks)
    assert errors.tolist() == [0, 0]
    shifted = (images + 0.5).requires_grad_()
    errors = masking.errors(shifted, images, masks)
    assert errors.tolist() == pytest.approx([0.5, 0.5])
    errors.sum().backward()
    visible = ~masks[:, None].expand_as(images)
    assert shifted.grad[visible].abs().max() == 0 and shifted.grad[~visible].min() > 0


def test_errors_at_visible_frequencies_count_nothing():
    masking, image = FrequencyMasking(), torch.rand(1, 1, 64, 64, dtype=torch.float64)
    visible, removed = masking.hide(image[0], generator())
    hidden = without_frequencies(image[0], ~removed)
    other = hidden + 5 + 3 * visible  # wrong, but not at the removed frequencies
    assert float(masking.errors(other[None], image, removed[None])) < 1e-12
    # Without these frequencies, the error is their mean modulus.
    modulus = torch.fft.fft2(image[0, 0], norm="ortho").abs()[removed].mean()
    assert float(masking.errors(visible[None], image, removed[None])) == pytest.approx(
        float(modulus)
    )


@pytest.mark.parametrize("ratio", [0.0, 0.019, 0.91, 1.0])
@pytest.mark.parametrize("masking", [SpatialMasking, FrequencyMasking])
def test_a_share_of_nearly_nothing_or_all_is_refused(masking, ratio):
    with pytest.raises(ValueError, match=r"ratio=.*: a share of 0.02 to 0.9 can be hidden"):
        masking(ratio=ratio)


def test_settings_without_a_band_are_refused():
    with pytest.raises(ValueError, match=r"first=3, growth=0.3, .* must be 1 or more"):
        FrequencyMasking(first=3)
    with pytest.raises(ValueError, match="16 x 20 px has frequencies up to 8 cycles"):
        FrequencyMasking().bands((16, 20))
    with pytest.raises(ValueError, match="block=0"):
        SpatialMasking(block=0)
