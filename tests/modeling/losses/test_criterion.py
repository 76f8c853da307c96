"""criterion.py: losses worked out by hand, and clips with nothing in them."""

import math

import pytest
import torch

from lgrseg.modeling.lgrnet.decoder import DecoderOutput
from lgrseg.modeling.losses.criterion import SetCriterion
from lgrseg.modeling.losses.matched_masks import sampled_masks
from lgrseg.structures import ClipTargets


def output(*, class_logits, mask_logits):
    return DecoderOutput(
        torch.as_tensor(class_logits, dtype=torch.float32).requires_grad_(),
        torch.as_tensor(mask_logits, dtype=torch.float32).requires_grad_(),
    )


def targets(*, labels, annotated, masks=None, size=8):
    masks = torch.zeros(len(labels), len(annotated), size, size) if masks is None else masks
    return ClipTargets(torch.tensor(annotated), torch.tensor(labels).long(), masks.bool())


def left_half(num_frames=1, size=8):
    mask = torch.zeros(1, num_frames, size, size)
    mask[..., : size // 2] = 1
    return mask


def test_losses_of_an_undecided_model():
    """Every logit 0: each pixel's probability is 1/2, each of two classes' 1/2."""
    undecided = output(class_logits=torch.zeros(1, 1, 2), mask_logits=torch.zeros(1, 1, 1, 2, 2))
    truth = targets(labels=[0], annotated=[True], masks=torch.ones(1, 1, 8, 8))
    losses = SetCriterion(num_classes=1, num_points=64)([undecided], [truth])
    assert losses["loss_class"].item() == pytest.approx(2 * math.log(2))
    assert losses["loss_mask"].item() == pytest.approx(5 * math.log(2))
    # A truth of ones everywhere, up to the border: 64 points of 1/2 and 1.
    dice = (2 * 32 + 1) / (32 + 64 + 1)
    assert losses["loss_dice"].item() == pytest.approx(5 * (1 - dice))


def test_a_perfect_model_has_almost_no_loss():
    mask = left_half(size=64)
    sure = output(
        class_logits=[[[20.0, -20.0], [-20.0, 20.0]]],
        mask_logits=torch.stack([40 * mask - 20, torch.full((1, 1, 64, 64), -20.0)], dim=1),
    )
    criterion = SetCriterion(num_classes=1, importance_ratio=0.0)
    losses = criterion([sure, sure], [targets(labels=[0], annotated=[True], masks=mask)])
    assert set(losses) == {
        f"{aux}loss_{name}" for aux in ("", "aux_") for name in ("class", "mask", "dice")
    }
    assert losses["loss_class"] < 1e-6
    # Points within half a pixel of an edge cost 1.67 on average: 5 * 1.67 / 64 = 0.13 for the
    # mask's own edge; the picture's border costs nothing.
    assert losses["loss_mask"].item() == pytest.approx(0.13, abs=0.03)
    assert losses["loss_dice"] < 0.05


def test_losses_point_downhill():
    """The gradient says: more of the mask where the truth is, less elsewhere."""
    flat = output(class_logits=torch.zeros(1, 1, 2), mask_logits=torch.zeros(1, 1, 1, 8, 8))
    truth = targets(labels=[0], annotated=[True], masks=left_half())
    sum(SetCriterion(num_classes=1)([flat], [truth]).values()).backward()
    push = -flat.mask_logits.grad[0, 0, 0]
    assert (push[:, :3] >= 0).all() and (push[:, 5:] <= 0).all()
    assert push[:, :3].mean() > 0.01 and push[:, 5:].mean() < -0.01


def test_frames_without_annotation_are_not_looked_at():
    flat = output(class_logits=torch.zeros(1, 1, 2), mask_logits=torch.zeros(1, 1, 3, 8, 8))
    masks = torch.zeros(1, 3, 8, 8)
    masks[:, 1] = left_half()[0]
    truth = targets(labels=[0], annotated=[False, True, False], masks=masks)
    sum(SetCriterion(num_classes=1)([flat], [truth]).values()).backward()
    moved = flat.mask_logits.grad[0, 0].abs().sum(dim=(-2, -1))
    assert moved[0] == 0 and moved[1] > 0 and moved[2] == 0


def test_an_empty_clip_teaches_no_object():
    flat = output(class_logits=torch.zeros(1, 4, 3), mask_logits=torch.zeros(1, 4, 1, 8, 8))
    losses = SetCriterion(num_classes=2)([flat], [targets(labels=[], annotated=[True])])
    assert losses["loss_mask"] == losses["loss_dice"] == 0
    assert losses["loss_class"].item() == pytest.approx(2 * math.log(3), rel=1e-5)
    sum(losses.values()).backward()
    assert (flat.class_logits.grad[..., -1] < 0).all()
    assert flat.mask_logits.grad is not None  # every parameter keeps a gradient under DDP


def test_a_clip_without_annotation_says_nothing():
    flat = output(class_logits=torch.zeros(2, 4, 3), mask_logits=torch.zeros(2, 4, 1, 8, 8))
    silent = targets(labels=[], annotated=[False])
    spoken = targets(labels=[1], annotated=[True], masks=left_half())
    sum(SetCriterion(num_classes=2)([flat], [silent, spoken]).values()).backward()
    assert flat.class_logits.grad[0].abs().sum() == 0
    assert flat.class_logits.grad[1].abs().sum() > 0


def test_every_object_and_frame_counts_the_same():
    """Two clips, of one object and of none, cost what the clip with an object costs alone."""
    criterion = SetCriterion(num_classes=1, no_object_weight=0.0, num_points=16)
    truth = targets(labels=[0], annotated=[True, True], masks=left_half(2))
    empty = targets(labels=[], annotated=[True, True])
    logits = torch.zeros(1, 1, 2, 8, 8)
    one = output(class_logits=torch.zeros(1, 1, 2), mask_logits=logits)
    two = output(class_logits=torch.zeros(2, 1, 2), mask_logits=logits.repeat(2, 1, 1, 1, 1))
    torch.manual_seed(0)
    alone = criterion([one], [truth])
    torch.manual_seed(0)
    both = criterion([two], [truth, empty])
    for name in alone:
        assert both[name].item() == pytest.approx(alone[name].item(), rel=0.2), name


def test_points_are_never_more_than_pixels():
    assert SetCriterion(num_classes=1)._points_per_mask(torch.zeros(1, 1, 8, 8)) == 64
    assert SetCriterion(num_classes=1)._points_per_mask(torch.zeros(1, 1, 256, 256)) == 12_544


def uncertain_points_of(logits, num_points):
    """Points of masks (L, R, h, w), all of them uncertain ones."""
    ratios = {"oversample_ratio": 3.0, "importance_ratio": 1.0}
    rows = [(logits, torch.zeros_like(logits).bool())]
    return sampled_masks(rows, [None], num_points=num_points, **ratios).points


def test_uncertain_points_lie_on_the_boundary():
    torch.manual_seed(0)
    logits = (torch.arange(8.0) - 3.5).expand(1, 1, 8, 8)  # 0 at x = 0.5
    points = uncertain_points_of(logits, 200)
    assert points.shape == (1, 1, 200, 2)
    # 200 of 600 candidates, those of the middle third: |x - 1/2| < 1/6, give or take the draw.
    assert (points[..., 0] - 0.5).abs().max() == pytest.approx(1 / 6, abs=0.03)


@pytest.mark.parametrize("value", [-3.0, 0.0, 3.0])
def test_uncertain_points_of_an_even_map_do_not_gather_at_the_border(value):
    """A ring of half a pixel's width is 1 - (7 / 8)^2 = 23% of an 8 x 8 map."""
    points = uncertain_points_of(torch.full((1, 1, 8, 8), value), 2000)
    at_border = ((points - 0.5).abs() > 0.5 - 1 / 16).any(dim=-1)
    assert at_border.float().mean().item() == pytest.approx(1 - (7 / 8) ** 2, abs=0.04)


@pytest.mark.parametrize("batch", [1, 2])
def test_more_objects_than_queries_are_refused(batch):
    flat = output(class_logits=torch.zeros(batch, 2, 4), mask_logits=torch.zeros(batch, 2, 1, 8, 8))
    few = targets(labels=[0, 1], annotated=[True])
    truth = [few] * (batch - 1) + [targets(labels=[0, 1, 2], annotated=[True])]
    criterion = SetCriterion(num_classes=3)
    assert criterion.totals([few], 2)["mask"] == 2
    for refuse in (lambda: criterion.totals(truth, 2), lambda: criterion([flat], truth, totals={})):
        with pytest.raises(
            ValueError, match="3 objects, but the decoder has 2 queries.* to 3 or more"
        ):
            refuse()
