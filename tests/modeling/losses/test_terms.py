"""terms.py: a term of one's own is weighted, averaged, and computed at the points of the others."""

from dataclasses import dataclass

import pytest
import torch

from lgrseg.config import L, instantiate
from lgrseg.modeling.lgrnet.decoder import DecoderOutput
from lgrseg.modeling.losses.criterion import SetCriterion
from lgrseg.structures import ClipTargets


@dataclass(frozen=True)
class HalfProbability:
    """The mean probability at the points, halved."""

    weight: float = 1.0
    name: str = "half"

    def __call__(self, matched):
        return matched.point_logits.sigmoid().mean(dim=-1) / 2


@dataclass(frozen=True)
class SameDice:
    """What the term "dice" computes, without its weight."""

    weight: float = 1.0
    name: str = "again"

    def __call__(self, matched):
        probs, truth = matched.point_logits.sigmoid(), matched.point_truth
        shared = (probs * truth).sum(dim=-1)
        return 1 - (2 * shared + 1) / (probs.sum(dim=-1) + truth.sum(dim=-1) + 1)


def criterion(*extra_terms, **settings):
    return SetCriterion(num_classes=1, num_points=32, extra_terms=extra_terms, **settings)


def batch(*, layers=2, objects=1):
    """Logits of 0 after every layer, and a true mask of the left half on one of two frames."""
    logits = torch.zeros(1, 2, 2, 4, 4, requires_grad=True)
    outputs = [DecoderOutput(torch.zeros(1, 2, 2), logits) for _ in range(layers)]
    masks = torch.zeros(objects, 2, 8, 8, dtype=torch.bool)
    masks[:, 0, :, :4] = True
    labels = torch.zeros(objects, dtype=torch.int64)
    return outputs, [ClipTargets(torch.tensor([True, False]), labels, masks)], logits


def test_a_term_is_weighted_and_its_rows_are_averaged():
    """Probability 1/2 everywhere, halved; two rows of which the mean is taken."""
    outputs, targets, _ = batch(objects=2)
    losses = criterion(HalfProbability(weight=3.0))(outputs, targets)
    assert losses["loss_half"].item() == pytest.approx(3 * 0.25)
    assert losses["aux_loss_half"].item() == pytest.approx(3 * 0.25)  # one earlier layer
    doubled = criterion(HalfProbability(weight=3.0))(outputs, targets, totals=totals_of(4.0))
    assert doubled["loss_half"].item() == pytest.approx(3 * 0.25 / 2)


def totals_of(num_masks):
    return {"mask": num_masks, "class": 1.0}


def test_a_term_sees_the_points_of_the_others_and_does_not_change_them():
    outputs, targets, _ = batch(layers=1)
    noisy = [DecoderOutput(outputs[0].class_logits, torch.randn(1, 2, 2, 4, 4))]
    torch.manual_seed(1)
    alone = criterion(dice_weight=2.0)(noisy, targets)
    torch.manual_seed(1)
    both = criterion(SameDice(weight=4.0), HalfProbability(), dice_weight=2.0)(noisy, targets)
    assert set(both) == {*alone, "loss_again", "loss_half"}
    assert all(torch.equal(both[name], alone[name]) for name in alone)
    assert both["loss_again"].item() == pytest.approx(2 * both["loss_dice"].item())


def test_a_term_trains_and_is_zero_without_objects():
    outputs, targets, logits = batch()
    criterion(HalfProbability())(outputs, targets)["loss_half"].backward()
    assert (logits.grad[0].flatten(1).abs().sum(dim=1) > 0).sum() == 1  # the matched query
    outputs, targets, logits = batch(objects=0)
    losses = criterion(HalfProbability())(outputs, targets)
    assert losses["loss_half"].item() == 0 == losses["aux_loss_half"].item()
    losses["loss_half"].backward()
    assert not logits.grad.any()


def test_a_config_adds_a_term():
    cfg = L(SetCriterion)(num_classes=1, extra_terms=[L(HalfProbability)(weight=3.0)])
    outputs, targets, _ = batch()
    assert instantiate(cfg)(outputs, targets)["loss_half"].item() == pytest.approx(0.75)
    cfg.extra_terms = ["half"]
    with pytest.raises(ValueError, match="extra_terms is a list, each item a LossTerm"):
        instantiate(cfg)


@pytest.mark.parametrize("name", ["mask", "dice", "class", "object", "iou"])
def test_two_losses_of_one_name_are_refused(name):
    with pytest.raises(ValueError, match=f"two losses are named '{name}': give an extra term"):
        criterion(HalfProbability(name=name))


def test_values_of_another_shape_are_refused():
    @dataclass(frozen=True)
    class OfPoints(HalfProbability):
        def __call__(self, matched):
            return matched.point_logits

    outputs, targets, _ = batch()
    with pytest.raises(ValueError, match=r"'half' returns values of shape \(2, 1, 32\).* \(2, 1\)"):
        criterion(OfPoints())(outputs, targets)
