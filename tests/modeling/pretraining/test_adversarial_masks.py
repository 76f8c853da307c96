"""Masks divide the image; their network moves against the encoder, and stops when it collapses."""

import pytest
import torch
from tiny_encoder import TinyEncoder

from lgrseg.modeling.pretraining.adversarial_masks import (
    AdversarialMasks,
    CollapsedMasksError,
    MaskNetwork,
    check_shares,
    mask_picture,
    reversed_gradient,
)
from lgrseg.modeling.pretraining.many_crops import ManyCropsModel
from lgrseg.structures import Clip, UnlabelledViews


def generators(count):
    return [torch.Generator().manual_seed(number) for number in range(count)]


@pytest.mark.parametrize("size", [(32, 32), (28, 45)])
def test_masks_add_up_to_one_at_every_pixel(size):
    masks = MaskNetwork(num_masks=3)(torch.randn(2, 3, *size))
    assert masks.shape == (2, 3, *size) and masks.min() >= 0
    torch.testing.assert_close(masks.sum(dim=1), torch.ones(2, *size))


def test_one_mask_hides_a_part_of_each_image_but_the_first_ones():
    masking, images = AdversarialMasks(network=MaskNetwork()), torch.randn(5, 3, 32, 32)
    result, penalty = masking.hide(images, generators(5), first=2)
    assert torch.equal(result[:2], images[:2])
    masks = masking.network(images[2:])
    for image, hidden, of_image in zip(images[2:], result[2:], masks, strict=True):
        fits = [torch.allclose(image * (1 - mask), hidden, atol=1e-6) for mask in of_image]
        assert sum(fits) == 1
    shares = [float(masking.monitored[f"mask_share_{n}"]) for n in range(4)]
    assert sum(shares) == pytest.approx(1) and 0 < float(masking.monitored["mask_entropy"]) <= 1
    assert shares == pytest.approx(masks.mean(dim=(0, 2, 3)).tolist(), abs=1e-6)
    expected = 0.75 * sum(1 / torch.sin(torch.pi * masks.mean(dim=(-2, -1)))).sum() / 3
    assert float(penalty.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_the_gradient_is_reversed_and_the_value_is_not():
    value = torch.tensor([2.0], requires_grad=True)
    result = reversed_gradient(value, 0.5)
    (3 * result).sum().backward()
    assert result.item() == 2 and float(value.grad) == -1.5


def crop_model(strength):
    torch.manual_seed(0)
    masks = AdversarialMasks(network=MaskNetwork(), strength=strength, penalty_weight=0.0)
    return ManyCropsModel(backbone=TinyEncoder(), hidden_dim=16, dim=8, masks=masks)


def views():
    torch.manual_seed(1)
    return [
        UnlabelledViews(
            [Clip(torch.rand(1, 1, 32, 32), torch.zeros(1), "v", seed=n) for n in range(4)], []
        )
        for _ in range(4)
    ]


def gradients(strength):
    built = crop_model(strength)
    sum(built([], [], views()).values()).backward()
    return {name: p.grad for name, p in built.named_parameters()}


def test_only_the_gradient_of_the_mask_network_depends_on_the_strength():
    weak, strong = gradients(0.1), gradients(0.2)
    for name, gradient in weak.items():
        factor = 2 if name.startswith("masks.") else 1
        torch.testing.assert_close(strong[name], factor * gradient, rtol=1e-4, atol=1e-7)
    assert max(g.abs().max() for n, g in weak.items() if n.startswith("masks.")) > 1e-6


@pytest.mark.parametrize(("part", "sign"), [("masks.", 1), ("backbone.", -1)])
def test_a_step_of_the_mask_network_increases_the_loss_and_one_of_the_encoder_lowers_it(part, sign):
    built = crop_model(1.0).double()
    before = sum(built([], [], views()).values())
    before.backward()
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            if name.startswith(part):
                parameter -= 1e-6 * parameter.grad
    change = sum(built([], [], views()).values()) - before
    assert sign * change.item() > 0


def test_the_penalty_makes_shares_equal_without_an_encoder():
    torch.manual_seed(0)
    masking = AdversarialMasks(network=MaskNetwork(num_levels=1))
    images = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        masking.network.last.bias[0] = 2
    optimizer = torch.optim.AdamW(masking.parameters(), lr=0.1)
    for _ in range(15):
        _, penalty = masking.hide(images, generators(2), first=0)
        optimizer.zero_grad()
        penalty.backward()
        optimizer.step()
    shares = torch.stack([masking.monitored[f"mask_share_{n}"] for n in range(4)])
    assert shares.min() > 0.2 and shares.max() < 0.3


@pytest.mark.parametrize("bias", [8.0, -8.0])
def test_collapsed_masks_stop_the_run_with_their_shares(bias):
    masking = AdversarialMasks(network=MaskNetwork(num_masks=2))
    with torch.no_grad():
        masking.network.last.bias[0] = bias
    with pytest.raises(CollapsedMasksError, match=r"mask 0 covers [\d.]+% .*shares of all masks"):
        masking.hide(torch.randn(2, 3, 16, 16), generators(2), first=0)


def test_the_limits_of_shares():
    check_shares([0.02, 0.08, 0.9])
    for shares in ([0.019, 0.981], [0.95, 0.05]):
        with pytest.raises(CollapsedMasksError):
            check_shares(shares)


def test_a_picture_has_the_image_the_masks_and_what_they_leave():
    image, masks = torch.rand(3, 8, 10), torch.rand(2, 8, 10)
    picture = mask_picture(image, masks)
    assert picture.shape == (3, 16, 30)
    shown = picture[:, :8, :10]
    assert shown.amin(dim=(1, 2)).tolist() == [0] * 3 and shown.amax(dim=(1, 2)).tolist() == [1] * 3
    torch.testing.assert_close(picture[1, :8, 20:], masks[1])
    torch.testing.assert_close(picture[:, 8:, 10:20], shown * (1 - masks[0]))


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="num_masks=1: "):
        MaskNetwork(num_masks=1)
    with pytest.raises(ValueError, match=r"strength=-1.* weights are 0 or above"):
        AdversarialMasks(network=MaskNetwork(), strength=-1)
