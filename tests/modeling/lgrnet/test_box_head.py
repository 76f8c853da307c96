"""lgrseg/modeling/lgrnet/box_head.py and box_criterion.py."""

import numpy as np
import pytest
import torch
from in_processes import FourClips, one_step, sample, small_lgrnet

from lgrseg.modeling.backbones import MetaFormer
from lgrseg.modeling.lgrnet.box_head import BoxHead
from lgrseg.modeling.lgrnet.decoder import BoxDecoder, MaskedDecoder
from lgrseg.modeling.losses.box_criterion import box_cost, box_losses, box_totals, box_truth
from lgrseg.structures import Clip, ClipTargets
from lgrseg.structures.boxes import boxes_of_masks, draw_boxes


def rectangle(top, bottom, left, right, *, size=(8, 10)):
    mask = torch.zeros(size, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask


def test_even_attention_over_an_object_is_its_box():
    from lgrseg.modeling.lgrnet.box_head import _moments

    mask = rectangle(2, 5, 3, 7)
    even = mask.float() / mask.sum()
    assert _moments(even).tolist() == pytest.approx(boxes_of_masks(mask)[0].tolist(), abs=1e-6)


def target():
    """Two annotated frames of three; object 0 in both, object 1 in the last alone."""
    masks = torch.zeros(2, 3, 8, 10, dtype=torch.bool)
    masks[0, 0] = masks[0, 2] = rectangle(2, 5, 3, 7)
    masks[1, 2] = rectangle(0, 4, 0, 5)
    return ClipTargets(torch.tensor([True, False, True]), torch.tensor([0, 1]), masks)


def test_cost_and_losses_by_hand():
    truth, _ = boxes_of_masks(target().masks)
    boxes = torch.stack([truth[1], truth[0] + torch.tensor([0.1, 0, 0, 0])])[None]  # L Q T 4
    boxes[0, 0, 0] = 0.5  # object 1 is not in frame 0: what is said there does not count
    cost = box_cost(boxes, box_truth(target()), box_weight=5.0, giou_weight=2.0)
    assert cost.shape == (1, 2, 2) and float(cost[0, 0, 1]) == pytest.approx(0, abs=1e-5)
    # Moved by a quarter of its width: IoU 0.3 / 0.5, and the hull is the union.
    moved = 5 * 0.1 + 2 * (1 - 0.6)
    assert float(cost[0, 1, 0]) == pytest.approx(moved, abs=1e-4)
    assert box_totals([target()], 2) == {"box": 3, "object": 4}
    matches = [[(np.array([0, 1]), np.array([1, 0]))]]
    objectness = torch.zeros(1, 1, 2, 3)
    losses = box_losses(
        boxes[:, None], objectness, matches, [box_truth(target())], {"box": 3, "object": 4},
        box_weight=5.0, giou_weight=2.0, objectness_weight=2.0,
    )  # fmt: skip
    # Object 0 is off in two frames of the three boxes; objectness 0 is a coin.
    assert float(losses["loss_box"]) == pytest.approx(2 * 0.5 / 3, abs=1e-5)
    assert float(losses["loss_giou"]) == pytest.approx(2 * 0.8 / 3, abs=1e-4)
    assert float(losses["loss_object"]) == pytest.approx(2 * 0.6931, abs=1e-3)


def with_boxes(kind):
    backbone = MetaFormer(depths=(1, 1, 1, 1), dims=(8, 8, 16, 32), drop_path_rate=0.0)
    model = small_lgrnet(backbone, num_classes=3)
    settings = {"num_classes": 3, "dim": 16, "num_queries": 5, "num_heads": 2, "ffn_dim": 16}
    model.decoder = kind(box_head=BoxHead(dim=16), **settings)
    return model


@pytest.mark.parametrize("kind", [MaskedDecoder, BoxDecoder])
def test_a_model_with_boxes_learns_and_predicts(kind):
    model = with_boxes(kind)
    clips, targets = zip(*map(sample, range(4)), strict=True)
    losses = model.train()(list(clips), list(targets))
    assert {"loss_box", "loss_giou", "loss_object", "aux_loss_box"} <= set(losses)
    sum(losses.values()).backward()
    assert model.decoder.box_head.correct.weight.grad.abs().sum() > 0
    (prediction,) = model.eval()([clips[0]])
    assert prediction.boxes.shape == (3, 3, 4) and prediction.box_scores.shape == (3, 3)
    assert 0 <= prediction.box_scores.min() and prediction.box_scores.max() <= 1


def test_accumulated_batches_are_one_batch():
    found = []
    for batch_size in (4, 2):
        torch.manual_seed(0)
        model = with_boxes(MaskedDecoder).double()
        found.append(one_step(model, FourClips(batch_size), accumulate=4 // batch_size))
    whole, parts = found
    largest = max(float(value.abs().max()) for value in whole.values())
    assert max(float((parts[n] - whole[n]).abs().max()) for n in whole) < 1e-9 * largest


def test_boxes_are_of_the_input_not_of_its_padding():
    model = with_boxes(BoxDecoder).eval()
    (prediction,) = model([Clip(torch.rand(2, 1, 48, 36), torch.arange(2), "v")])
    # The mask is the inside of the box, and covers the input at stride 4.
    drawn = draw_boxes(prediction.boxes, (12, 9)) > 0
    assert torch.equal(drawn, prediction.mask_logits > 0)


def test_clips_without_objects_or_annotation_have_finite_losses():
    model = with_boxes(MaskedDecoder).train()
    for numbers in ((2,), (3,), (2, 3)):
        clips, targets = zip(*map(sample, numbers), strict=True)
        assert torch.isfinite(sum(model(list(clips), list(targets)).values()))
