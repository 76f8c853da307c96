"""lgrseg/modeling/sam2/tracker.py and box_tracking.py, beside transformers' own route."""

import itertools
import math

import pytest
import torch

from lgrseg.modeling.sam2.box_tracking import BoxTracking, track_video
from lgrseg.modeling.sam2.network import build_sam2
from lgrseg.modeling.sam2.predicted_boxes import Opinion
from lgrseg.modeling.sam2.records import NO_OBJECT, FrameMasks, ObjectMemory
from lgrseg.modeling.sam2.tracker import Sam2Tracker
from lgrseg.structures.boxes import boxes_of_masks, from_corners

SIZE = 64
BOXES = torch.tensor([[10.0, 15, 35, 45], [25, 5, 55, 30]], dtype=torch.float64)
"""In SAM 2's pixels."""


@pytest.fixture(scope="module")
def sam():
    """Random weights, biases and embeddings too, that see the object everywhere."""
    torch.manual_seed(0)
    model = build_sam2(variant="nano", size=SIZE).eval().double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1 or "embed" in name or "memory" in name or "pointer" in name:
                parameter.add_(0.1 * torch.randn_like(parameter))
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(5.0)
    return model


@pytest.fixture(scope="module")
def frames():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(20, 3, SIZE, SIZE, generator=generator, dtype=torch.float64)


@pytest.fixture(scope="module")
def embeddings(sam, frames):
    with torch.no_grad():
        return Sam2Tracker(sam).embed(frames)


def parts(boxes):
    """Corners in SAM 2's pixels, whose centres are whole numbers -> (cx, cy, w, h) as parts."""
    return from_corners((boxes + 0.5) / SIZE)


def in_transformers(sam, frames, prompted, *, streaming=False):
    """Masks (O, s, s) of every frame by transformers' session; BOXES on each prompted frame."""
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    size = {"video_height": SIZE, "video_width": SIZE, "dtype": torch.float64}
    session = Sam2VideoInferenceSession(video=None if streaming else frames, **size)

    def prompt(number):
        for label, box in enumerate(BOXES):
            points = {
                "point_coords": box.reshape(1, 1, 2, 2),
                "point_labels": torch.tensor([[[2, 3]]], dtype=torch.int32),
            }
            session.add_point_inputs(session.obj_id_to_idx(label), number, points)
            session.obj_with_new_inputs.append(label)

    if streaming:
        prompt(0)
        return [sam(session, frame=frame[None]).pred_masks[:, 0] for frame in frames]
    for number in prompted:
        prompt(number)
        sam(session, frame_idx=number)
    found = sam.propagate_in_video_iterator(session, start_frame_idx=0)
    return [masks.pred_masks[:, 0] for masks in found]


def disagreeing(ours, theirs):
    """Frames on which two predictions of a video are not the same."""
    return [
        number
        for number, expected in enumerate(theirs)
        if (ours[number] - expected).abs().max() >= 1e-5 * expected.abs().max() + 1e-6
    ]


@pytest.mark.parametrize("candidates", [False, True])
def test_masks_are_those_of_transformers_session(sam, frames, candidates, monkeypatch):
    """With one mask an object, and with several to choose from, as published checkpoints have."""
    monkeypatch.setattr(sam.config, "multimask_output_in_sam", candidates)
    monkeypatch.setattr(sam.mask_decoder, "dynamic_multimask_via_stability", candidates)
    prompts = {0: dict(enumerate(parts(BOXES)))}
    with torch.no_grad():
        ours = dict(track_video(Sam2Tracker(sam), frames, prompts, 2))
        theirs = in_transformers(sam, frames, [0])
    assert len(ours) == len(theirs) == 20 and theirs[-1].std() > 0.005
    assert disagreeing(ours, theirs) == []


def test_a_short_clip_is_as_in_transformers_streaming_mode(sam, frames):
    prompts = {0: dict(enumerate(parts(BOXES)))}
    with torch.no_grad():
        ours = dict(track_video(Sam2Tracker(sam), frames[:3], prompts, 2))
        theirs = in_transformers(sam, frames[:3], [0], streaming=True)
    assert len(ours) == len(theirs) == 3 and theirs[-1].std() > 0.005
    assert disagreeing(ours, theirs) == []


def test_between_two_boxes_both_are_known(sam, frames):
    both = {number: dict(enumerate(parts(BOXES))) for number in (0, 10)}
    with torch.no_grad():
        ours = dict(track_video(Sam2Tracker(sam), frames, both, 2))
        theirs = in_transformers(sam, frames, [0, 10])
        alone = dict(itertools.islice(track_video(Sam2Tracker(sam), frames, {0: both[0]}, 2), 6))
    assert len(ours) == len(theirs) == 20 and disagreeing(ours, theirs) == []
    assert not torch.allclose(alone[5], ours[5], atol=1e-3)


@pytest.mark.parametrize(
    ("max_prompted", "remembered"), [(1, (12,)), (2, (0, 12)), (3, (0, 8, 12)), (4, (0, 4, 8, 12))]
)
def test_memory_holds_what_can_be_looked_at_and_no_more(sam, embeddings, max_prompted, remembered):
    """The first prompt, which says what is meant, and the nearest in time."""
    tracker = Sam2Tracker(sam, max_prompted=max_prompted)
    tracking = BoxTracking(tracker, 3)
    with torch.no_grad():
        for number in range(20):
            boxes = {0: parts(BOXES[0])} if number in (0, 4, 8, 12) else {}
            tracking.step(embeddings[number], number, boxes)
    memory = tracking.objects[0]
    recent = tuple(n for n in range(20) if n not in (0, 4, 8, 12))[-15:]
    assert memory.frames == (remembered, recent, ())


def test_a_box_lies_where_its_mask_does(sam, embeddings, monkeypatch):
    """SAM 2 adds half a pixel to what it is told; from then on 0 and 1 are the frame's edges."""
    told, shared = [], sam.prompt_encoder.shared_embedding
    forward = shared.forward
    masks = torch.zeros(2, SIZE, SIZE, dtype=torch.bool)
    masks[0, 8:24, 4:36] = True
    masks[1] = True
    boxes, _ = boxes_of_masks(masks)
    monkeypatch.setattr(
        shared, "forward", lambda points, size=None: told.append(points) or forward(points, size)
    )
    BoxTracking(Sam2Tracker(sam), 2).step(embeddings[0], 0, dict(enumerate(boxes.double())))
    corners = [points for points in told if points.shape[-3:] == (1, 3, 2)][0][:, 0, :2]
    assert corners.tolist() == [[[4, 8], [36, 24]], [[0, 0], [SIZE, SIZE]]]


def test_objects_do_not_see_each_other_and_several_are_a_batch(sam, embeddings):
    tracker = Sam2Tracker(sam)
    with torch.no_grad():
        together, alone = BoxTracking(tracker, 2), BoxTracking(tracker, 2)
        for number in range(4):
            first = number == 0
            both = together.step(
                embeddings[number], number, dict(enumerate(parts(BOXES))) if first else {}
            ).logits
            one = alone.step(
                embeddings[number], number, {1: parts(BOXES[1])} if first else {}
            ).logits
            assert torch.allclose(both[1], one[1], atol=1e-6)
            assert (one[0] == NO_OBJECT).all()


def test_a_class_is_followed_from_its_first_box_both_ways(sam, frames):
    tracker = Sam2Tracker(sam)
    prompts = {2: {0: parts(BOXES[0])}, 4: {1: parts(BOXES[1])}}
    with torch.no_grad():
        masks = dict(track_video(tracker, frames[:6], prompts, 3))
        assert list(masks) == list(range(6))
        assert all(
            (mask[:2] != NO_OBJECT).all() and (mask[2] == NO_OBJECT).all()
            for mask in masks.values()
        )
        # Backwards is forwards in a video that runs backwards.
        turned = dict(track_video(tracker, frames[:6].flip(0), {1: {1: parts(BOXES[1])}}, 3))
        assert torch.allclose(masks[1][1], turned[4][1], atol=1e-2)  # kept as float16
        assert torch.allclose(masks[4][1], turned[1][1], atol=1e-5)


@pytest.mark.parametrize("share", [0.9, 1.1])
def test_of_a_mask_and_a_box_that_disagree_the_surer_is_believed(sam, embeddings, share):
    """The box: its score x the sureness of the mask that it leads to; here a hair less or more."""
    tracker, boxes = Sam2Tracker(sam), parts(BOXES)
    with torch.no_grad():
        tracking, other = BoxTracking(tracker, 1), BoxTracking(tracker, 1)
        for number in range(3):
            masks = tracking.step(embeddings[number], number, {} if number else {0: boxes[0]})
        of_box = other.step(embeddings[2], 2, {0: boxes[1]})
        tie = float(masks.sureness / of_box.sureness)
        opinion = {0: Opinion(boxes[1], tie * share)}
        again = BoxTracking(tracker, 1)
        again.step(embeddings[0], 0, {0: boxes[0]})
        again.step(embeddings[1], 1, {})
        chosen = again.step(embeddings[2], 2, {}, opinions=opinion, agreement=1.0)
    expected = of_box if share > 1 else masks
    assert torch.allclose(chosen.logits, expected.logits, atol=1e-6)
    assert not torch.allclose(of_box.logits, masks.logits, atol=1e-3)
    prompted, recent, _ = again.objects[0].frames
    assert (prompted, recent) == (((0, 2), (1,)) if share > 1 else ((0,), (1, 2)))


def test_sureness_is_of_what_is_said():
    """There: P(there) x the expected IoU of the chosen mask; absent: P(absent)."""
    logit = math.log(4)  # P = 0.8
    said = FrameMasks(
        logits=torch.zeros(2, 1, 1),
        candidates=torch.zeros(2, 3, 1, 1),
        ious=torch.tensor([[0.2, 0.9, 0.5]] * 2),
        object_logits=torch.tensor([logit, -logit]),
    )
    assert torch.allclose(said.sureness, torch.tensor([0.8 * 0.9, 0.8]))


def test_a_disagreeing_box_prompts_anew(sam, frames):
    tracker, seen = Sam2Tracker(sam), []

    def look(number):
        seen.append(number)
        return {0: Opinion(parts(BOXES[1]), 100.0)} if number == 3 else {}  # surer than anything

    prompts = {0: {0: parts(BOXES[0])}}
    with torch.no_grad():
        kept = dict(track_video(tracker, frames[:5], prompts, 1, look=look, agreement=0.0))
        anew = dict(track_video(tracker, frames[:5], prompts, 1, look=look, agreement=1.0))
        box = dict(track_video(tracker, frames[:5], prompts | {3: {0: parts(BOXES[1])}}, 1))
    assert seen == [*range(5)] * 2
    assert torch.equal(kept[2], anew[2]) and not torch.equal(kept[3], anew[3])
    # Against time too: the same video from its end.
    turned, last = frames[:5].flip(0), {4: prompts[0]}
    with torch.no_grad():
        found = dict(
            track_video(tracker, turned, last, 1, look=lambda n: look(4 - n), agreement=1.0)
        )
    assert all(torch.allclose(found[4 - n], anew[n], rtol=1e-3, atol=1e-3) for n in range(5))
    assert torch.allclose(anew[3], box[3], atol=1e-6)


def test_it_trains(sam, frames):
    tracker = Sam2Tracker(sam)
    sam.zero_grad()
    memory = ObjectMemory()
    first, second = tracker.embed(frames[:2])
    masks, found = tracker.prompt(first, BOXES[:1], 0)
    tracker.remember(memory, found.of(0), prompted=True)
    later, _ = tracker.follow(second, [memory], 1)
    later.logits.sum().backward()
    for part in (sam.memory_attention, sam.memory_encoder, sam.mask_decoder, sam.vision_encoder):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())
    sam.zero_grad()
