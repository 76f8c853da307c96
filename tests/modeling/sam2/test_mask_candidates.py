"""lgrseg/modeling/sam2/mask_candidates.py: by hand, on masks of 4 x 4 pixels."""

import math

import torch

from lgrseg.modeling.sam2.mask_candidates import TrackLosses, judge_candidates
from lgrseg.modeling.sam2.records import NO_OBJECT, FrameMasks

WEIGHTS = {"mask_weight": 5.0, "dice_weight": 5.0}


def columns(*numbers):
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[:, list(numbers)] = True
    return mask


def logits(*masks):
    """Sure of each mask."""
    return torch.stack([torch.where(mask, 9.0, -9.0) for mask in masks])


CANDIDATES = logits(columns(), columns(0, 1), columns(0, 1, 2, 3))
"""Nothing, the left half, everything."""


def said(ious, object_logit, num_objects=1):
    return FrameMasks(
        logits=torch.full((num_objects, 4, 4), NO_OBJECT),
        candidates=CANDIDATES.expand(num_objects, 3, 4, 4).clone().requires_grad_(),
        ious=torch.tensor([ious] * num_objects).requires_grad_(),
        object_logits=torch.full((num_objects,), object_logit),
    )


def test_the_best_candidate_and_the_real_iou():
    truth = torch.stack([columns(0, 1), columns(0), columns(0, 1, 2)])
    best, ious = judge_candidates(CANDIDATES.expand(3, 3, 4, 4), truth, **WEIGHTS)
    assert best.tolist() == [1, 1, 2]
    expected = torch.tensor([[0, 1, 1 / 2], [0, 1 / 2, 1 / 4], [0, 2 / 3, 3 / 4]])
    assert torch.allclose(ious, expected)


def test_candidates_are_compared_at_the_size_of_the_truth():
    """A half of 4 x 4 as a quarter-size mask is a half of 16 x 16."""
    truth = columns(0, 1).repeat_interleave(4, 0).repeat_interleave(4, 1)[None]
    best, ious = judge_candidates(CANDIDATES[None], truth, **WEIGHTS)
    assert best.tolist() == [1] and torch.allclose(ious, torch.tensor([[0, 1, 1 / 2]]))


def test_the_best_candidate_alone_is_taught_and_the_iou_of_all():
    masks = columns(0, 1)[None, None]
    losses = TrackLosses(masks, torch.tensor([[True]]), WEIGHTS)
    masks_said = said([0.5, 0.5, 0.5], 0.0)
    losses.compare(masks_said, 0, [0])
    assert math.isclose(float(losses.iou_loss.detach()), (0.5 + 0.5 + 0) / 3, rel_tol=1e-6)
    assert math.isclose(float(losses.object_loss), math.log(2), rel_tol=1e-6)
    rows, truth = losses.rows(torch.zeros(0, 4, 4))
    assert torch.equal(rows[0, 0], CANDIDATES[1]) and torch.equal(truth[0, 0], masks[0, 0])
    rows.sum().backward()
    assert masks_said.candidates.grad.flatten(2).abs().sum(dim=2).tolist() == [[0, 16, 0]]


def test_an_absent_object_is_taught_its_absence_alone():
    masks = torch.stack([columns(0, 1), columns()])[:, None]
    losses = TrackLosses(masks, torch.tensor([[True], [False]]), WEIGHTS)
    losses.compare(said([0.9, 0.1, 0.1], math.log(3), 2), 0, [1])
    assert losses.iou_loss == 0
    assert math.isclose(float(losses.object_loss), math.log(4), rel_tol=1e-6)
    rows, truth = losses.rows(torch.zeros(0, 4, 4))
    assert rows.shape == (1, 0, 4, 4) and truth.shape == (1, 0, 4, 4)
