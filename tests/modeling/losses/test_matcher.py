"""lgrseg/modeling/losses/matcher.py: costs worked out by hand, and Mask2Former's."""

import math

import numpy as np
import pytest
import torch

from lgrseg.modeling.losses.matcher import assign, matching_cost


def cost(class_logits, point_logits, labels, truth, **weights):
    weights = {"class_weight": 0.0, "mask_weight": 0.0, "dice_weight": 0.0} | weights
    return matching_cost(
        torch.tensor(class_logits)[None],
        torch.tensor(point_logits)[None],
        torch.tensor(labels),
        torch.tensor(truth),
        **weights,
    )[0]


def test_each_cost_by_hand():
    # One query, one class and "no object" equally likely; logit 0 at two points, truth 1 and 0.
    given = ([[0.0, 0.0]], [[0.0, 0.0]], [0], [[1.0, 0.0]])
    assert cost(*given, class_weight=2.0).item() == pytest.approx(-2 * 0.5)
    assert cost(*given, mask_weight=1.0).item() == pytest.approx(math.log(2))
    # dice = (2 * 0.5 + 1) / (1 + 1 + 1) = 2/3
    assert cost(*given, dice_weight=1.0).item() == pytest.approx(1 - 2 / 3)


def test_costs_agree_with_transformers_mask2former():
    peers = pytest.importorskip("transformers.models.mask2former.modeling_mask2former")
    torch.manual_seed(0)
    logits, truth = torch.randn(4, 50), (torch.rand(3, 50) < 0.5).float()
    classes = torch.randn(4, 6)
    ours = matching_cost(
        classes[None],
        logits[None],
        torch.tensor([0, 2, 4]),
        truth,
        class_weight=2.0,
        mask_weight=5.0,
        dice_weight=5.0,
    )[0]
    theirs = (
        -2 * classes.softmax(-1)[:, [0, 2, 4]]
        + 5 * peers.pair_wise_sigmoid_cross_entropy_loss(logits, truth)
        + 5 * peers.pair_wise_dice_loss(logits, truth)
    )
    assert (ours - theirs).abs().max() < 1e-5


def test_assignment_takes_the_least_total():
    # Greedy would give object 0 to query 0 (cost 1) and pay 9; the best total is 2 + 2.
    table = torch.tensor([[[1.0, 2.0], [2.0, 9.0], [5.0, 5.0]]])
    ((queries, objects),) = assign([table])[0]
    assert dict(zip(objects.tolist(), queries.tolist(), strict=True)) == {0: 1, 1: 0}


def test_clips_without_objects_and_more_objects_than_queries():
    nothing, many = torch.zeros(2, 1, 0), torch.tensor([[[3.0, 1.0]], [[1.0, 3.0]]])
    matches = assign([nothing, many, nothing])
    assert [len(q) for q, _ in matches[0]] == [0, 0]
    assert [n.tolist() for _, n in matches[1]] == [[1], [0]]
    assert len(matches[2]) == 2


def test_nan_stops():
    with pytest.raises(FloatingPointError, match="not finite"):
        assign([torch.tensor([[[np.nan]]])])
