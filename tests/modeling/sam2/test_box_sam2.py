"""lgrseg/modeling/sam2/box_sam2.py."""

import dataclasses

import pytest
import torch

from lgrseg.modeling.losses.criterion import SetCriterion
from lgrseg.modeling.sam2.box_sam2 import BoxSam2
from lgrseg.modeling.sam2.mask_candidates import TrackLosses
from lgrseg.modeling.sam2.network import build_sam2
from lgrseg.modeling.sam2.predicted_boxes import choose_prompts
from lgrseg.modeling.sam2.tracker import Sam2Tracker
from lgrseg.structures import Clip, ClipPrediction, ClipTargets

SIZE = 64


@pytest.fixture(scope="module")
def sam():
    torch.manual_seed(0)
    return build_sam2(variant="nano", size=SIZE)


def model(sam, **settings):
    criterion = SetCriterion(num_classes=3, num_points=64)
    return BoxSam2(sam=sam, criterion=criterion, num_classes=3, **settings)


def clip(num_frames=4, **extra):
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(num_frames, 1, SIZE, SIZE, generator=generator)
    return Clip(frames, torch.arange(num_frames), "v", seed=1, **extra)


def target(labels=(0, 2), annotated=(True, False, True, False)):
    masks = torch.zeros(len(labels), 4, SIZE, SIZE, dtype=torch.bool)
    for row in range(len(labels)):
        masks[row, list(annotated), 10 + 20 * row : 26 + 20 * row, 12:40] = True
    return ClipTargets(torch.tensor(annotated), torch.tensor(labels, dtype=torch.int64), masks)


def test_losses_of_a_batch_reach_every_part(sam):
    net = model(sam).train()
    clips, targets = [clip(), clip()], [target(), target(labels=(1,))]
    assert net.loss_totals(targets) == {"mask": 6, "object": 6}
    losses = net(clips, targets)
    assert set(losses) == {"loss_mask", "loss_dice", "loss_iou", "loss_object"}
    net.zero_grad()
    sum(losses.values()).backward()
    parts = (sam.memory_attention, sam.memory_encoder, sam.mask_decoder, sam.vision_encoder)
    for part in (*parts, sam.mask_decoder.iou_prediction_head):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())


def on_frames(shown):
    """The truth of objects, each on these of the annotated frames 0, 2 and 3."""
    masks = torch.zeros(len(shown), 4, SIZE, SIZE, dtype=torch.bool)
    for n, numbers in enumerate(shown):
        masks[n, list(numbers), 10:26, 12:40] = True
    annotated = torch.tensor([True, False, True, True])
    return ClipTargets(annotated, torch.arange(len(shown)), masks)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("shown", "num_masks", "num_answers"),
    [
        ([(0, 2, 3), (0, 2, 3)], 6, 6),
        ([(0,), (2, 3), ()], 3, 6),  # no frame shows both; the third is on none
        ([(), ()], 0, 0),
    ],
)
def test_what_is_counted_is_what_is_compared(sam, monkeypatch, seed, shown, num_masks, num_answers):
    """Masks where the object is; "is it there" on every annotated frame."""
    compared, rows = [], []
    compare, mask_losses = TrackLosses.compare, SetCriterion.mask_losses
    monkeypatch.setattr(
        TrackLosses, "compare", lambda *a: compared.extend((a[2], n) for n in a[3]) or compare(*a)
    )
    monkeypatch.setattr(
        SetCriterion, "mask_losses", lambda *a: rows.extend(a[1]) or mask_losses(*a)
    )
    net, truth = model(sam).train(), on_frames(shown)
    assert net.loss_totals([truth]) == {"mask": num_masks, "object": num_answers}
    net([dataclasses.replace(clip(), seed=seed)], [truth])
    answers = [(t, n) for n in range(len(shown)) if shown[n] for t in (0, 2, 3)]
    assert sorted(compared) == sorted(answers) and len(answers) == num_answers
    assert [len(truth[0]) for _, truth in rows] == [num_masks]


def test_several_candidates_train_too(sam, monkeypatch):
    """As those of published weights: a box gives one mask, a followed object three."""
    monkeypatch.setattr(sam.config, "multimask_output_in_sam", True)
    net = model(sam).train()
    losses = net([clip()], [target()])
    net.zero_grad()
    sum(losses.values()).backward()
    tokens = sam.mask_decoder.mask_tokens.weight.grad.abs().sum(dim=1)
    assert tokens.shape == (4,) and (tokens > 0).all()


def test_it_trains_in_bfloat16(sam):
    with torch.autocast("cpu", torch.bfloat16):
        losses = model(sam).train()([clip()], [target()])
    assert all(torch.isfinite(loss.detach()) for loss in losses.values())
    sum(losses.values()).backward()


@pytest.mark.parametrize(
    "truth", [target(labels=()), target(annotated=(False,) * 4)], ids=["empty", "not annotated"]
)
def test_a_clip_that_teaches_nothing(sam, truth):
    losses = model(sam).train()([clip()], [truth])
    assert all(float(loss.detach()) == 0 for loss in losses.values())
    sum(losses.values()).backward()


def test_parts_of_a_batch_add_up(sam):
    net = model(sam).train()
    clips, targets = [clip(), clip()], [target(), target(labels=(1,))]
    whole = net(clips, targets)
    totals = {"mask": torch.tensor(6.0), "object": torch.tensor(6.0)}
    parts = [net([c], [t], totals=totals) for c, t in zip(clips, targets, strict=True)]
    for name, loss in whole.items():
        assert torch.allclose(loss, sum(part[name] for part in parts), rtol=1e-4), name


def test_given_boxes_say_what_is_there(sam):
    boxes = {1: {0: torch.tensor([0.5, 0.5, 0.5, 0.5])}}
    (prediction,) = model(sam).eval()([clip(boxes=boxes)])
    assert prediction.mask_logits.shape == (3, 4, SIZE // 4, SIZE // 4)
    assert prediction.present.tolist() == [True, False, False]


class Boxes(torch.nn.Module):
    """A box model that says what it is told."""

    def __init__(self, scores):
        super().__init__()
        self.scores = torch.tensor(scores)

    def forward(self, clips):
        num_classes, num_frames = self.scores.shape
        boxes = torch.tensor([0.5, 0.5, 0.4, 0.4]).expand(num_classes, num_frames, 4)
        nothing = torch.zeros(num_classes)
        return [ClipPrediction(nothing, nothing, nothing > 1, boxes=boxes, box_scores=self.scores)]


def test_predicted_boxes_prompt_and_none_is_an_empty_clip(sam):
    found = [[0.1, 0.9, 0.2, 0.6], [0.3] * 4, [0.7] * 4]
    (prediction,) = model(sam, box_model=Boxes(found)).eval()([clip()])
    assert prediction.present.tolist() == [True, False, True]
    (nothing,) = model(sam, box_model=Boxes([[0.1] * 4] * 3)).eval()([clip()])
    assert not nothing.present.any() and (nothing.mask_logits < 0).all()


def test_a_box_model_without_scores_is_refused(sam):
    """What it finds cannot be compared with `least_score`."""

    def boxes_alone(clips):
        (prediction,) = Boxes([[0.9] * 4] * 3)(clips)
        return [dataclasses.replace(prediction, box_scores=None)]

    with pytest.raises(ValueError, match="predicts no boxes with scores: its decoder needs"):
        model(sam, box_model=boxes_alone).eval()([clip()])


def test_a_share_of_the_clips_is_trained_with_predicted_boxes(sam, monkeypatch):
    """Where the box model is sure; the box of the other object is the jittered truth."""
    given = []
    prompt = Sam2Tracker.prompt
    monkeypatch.setattr(
        Sam2Tracker, "prompt", lambda *a, **k: given.append(a[2].detach()) or prompt(*a, **k)
    )
    sure_of_class_2 = Boxes([[0.1] * 4, [0.1] * 4, [0.9] * 4])
    predicted = torch.tensor([0.3, 0.3, 0.7, 0.7]) * SIZE - 0.5  # SAM 2's pixels
    for share in (0.0, 1.0):
        net = model(sam, box_model=sure_of_class_2, predicted_share=share).train()
        net([clip()], [target()])
        first, second = given.pop()
        assert torch.allclose(second, predicted) == (share == 1)
        assert not torch.allclose(first, predicted, atol=1.0)
    with pytest.raises(ValueError, match="predicted_share=0.5 needs boxes: set box_model"):
        model(sam, predicted_share=0.5)


@pytest.mark.parametrize(
    "setting", ["every", "least_score", "agreement", "jitter", "predicted_share"]
)
def test_settings_that_would_have_no_effect(sam, setting):
    with pytest.raises(ValueError, match=f"{setting} must be 0 .* not -1"):
        model(sam, **{setting: -1})


def test_which_boxes_prompt():
    scores = torch.tensor([[0.1, 0.9, 0.2, 0.6], [0.3, 0.3, 0.3, 0.3], [0.7, 0.6, 0.6, 0.6]])
    boxes = torch.rand(3, 4, 4)
    prompts, seen = choose_prompts(boxes, scores, every=0, least_score=0.5)
    assert {t: sorted(p) for t, p in prompts.items()} == {1: [0], 0: [2]}
    assert [sorted(s) for s in seen] == [[2], [0, 2], [2], [0, 2]]
    assert seen[1][0].score == pytest.approx(0.9) and torch.equal(seen[1][0].box, boxes[0, 1])
    prompts, _ = choose_prompts(boxes, scores, every=3, least_score=0.5)
    assert {t: sorted(p) for t, p in prompts.items()} == {0: [2], 1: [0], 3: [0, 2]}


def test_what_cannot_be_done_is_told(sam):
    with pytest.raises(ValueError, match="needs frames of 64 x 64, not .32, 32."):
        model(sam).eval()([Clip(torch.rand(2, 1, 32, 32), torch.arange(2), "v")])
    with pytest.raises(ValueError, match="no box prompt"):
        model(sam).eval()([clip()])
    with pytest.raises(ValueError, match="the box model has 2 classes, this model has 3"):
        model(sam, box_model=Boxes([[0.9] * 4] * 2)).eval()([clip()])
    with pytest.raises(ValueError, match="needs targets"):
        model(sam).train()([clip()])
