"""Memory of a video: bounded, moved copies in training, and earlier masks at test."""

import numpy as np
import pytest
import torch
from disc_clips import disc_clip

from lgrseg.inference.whole_videos import predict_each_frame
from lgrseg.modeling.autoregressive.decoding import decode_masks
from lgrseg.modeling.autoregressive.memory import MaskMemory
from lgrseg.structures import Geometry


def memory_of(**settings):
    return MaskMemory(width=32, num_masks=2, side=2, **settings)


def test_copies_move_a_little():
    _, targets = disc_clip(1)
    mask = targets.masks[0, :, None].float()
    shares = torch.cat([1 - mask, mask], dim=1).expand(3, -1, -1, -1)
    generators = [torch.Generator().manual_seed(seed) for seed in range(3)]
    memory = memory_of(absent_share=0.5, wrong_share=0.0)
    copies, is_absent = memory.draw(shares, generators)
    assert len(copies) == 2 and is_absent.shape == (3, 2)
    for copy in copies:
        torch.testing.assert_close(copy.sum(dim=1), torch.ones(3, 64, 64))
        overlap = 2 * (copy[:, 1] * shares[:, 1]).sum((1, 2)) / (copy + shares)[:, 1].sum((1, 2))
        assert (overlap > 0.8).all() and (overlap < 0.9999).all()
    still, _ = memory_of(wrong_share=0.0, rotation=0, scale=0, shift=0).draw(shares, generators)
    torch.testing.assert_close(still[0], shares)


def test_wrong_copies_show_the_same_wrong_place():
    """Otherwise the other copy would tell the true place."""
    _, targets = disc_clip(1)
    mask = targets.masks[0, :, None].float()
    shares = torch.cat([1 - mask, mask], dim=1).expand(100, -1, -1, -1)
    generators = [torch.Generator().manual_seed(seed) for seed in range(100)]
    memory = memory_of(wrong_share=0.3, rotation=0, scale=0, shift=0)
    first, second = memory.draw(shares, generators)[0]
    torch.testing.assert_close(first, second)
    is_moved = ((first - shares).abs().flatten(1).amax(dim=1) > 0.1).sum()
    assert 20 <= is_moved <= 40


def test_positions_are_earlier_and_in_the_middle_of_their_cells():
    found = memory_of().positions((4, 4), torch.device("cpu")).tolist()
    assert found[:2] == [[-1, 0.5, 0.5], [-1, 0.5, 2.5]] and found[4] == [-2, 0.5, 0.5]


def test_a_frame_knows_the_frames_before_it_only(build):
    model = build(memory=memory_of()).eval()
    clip, _ = disc_clip(4)
    with torch.inference_mode():
        (all_frames,) = model([clip])
        clip.frames = clip.frames.clone()
        clip.frames[2] = 0
        (changed,) = model([clip])
        clip.frames = clip.frames[:2]
        (first_frames,) = model([clip])
    torch.testing.assert_close(first_frames.mask_logits, all_frames.mask_logits[:, :2])
    torch.testing.assert_close(changed.mask_logits[:, :2], all_frames.mask_logits[:, :2])
    # Frame 3 is equal to frames 0 and 1, but its memory is not.
    assert not torch.equal(changed.mask_logits[:, 3], all_frames.mask_logits[:, 3])


@pytest.mark.parametrize("length", [1, 11])
def test_a_video_in_clips_is_the_video_in_one(build, length):
    """The memory goes on from clip to clip, and every frame is computed once."""
    model = build(memory=memory_of()).eval()
    with torch.no_grad():
        model.sequence.memory.ages *= 30  # so that the memory has a visible effect
    frames = np.random.default_rng(0).integers(0, 256, (length, 64, 64)).astype(np.uint8)
    geometry = Geometry((64, 64), (0, 0, 64, 64), (64, 64))
    predicted = [
        list(predict_each_frame(model, frames, geometry, num_frames=size)) for size in (2, 11)
    ]
    assert [index for index, _ in predicted[0]] == list(range(length))
    for (_, short), (_, whole) in zip(*predicted, strict=True):
        torch.testing.assert_close(short.mask_logits, whole.mask_logits)
        assert torch.equal(short.tokens, whole.tokens) and short.tokens.shape == (1, 4, 4)
        assert short.token_entropy.shape == (1, 4, 4)


def test_cached_and_uncached_decoding_agree_with_a_memory(build):
    model = build(memory=memory_of()).eval()
    with torch.no_grad():  # large weights, so that predicted tokens differ
        model.sequence.content[0].weight *= 30
        model.sequence.tokenizer.decoder[-2].weight *= 30
    earlier = [torch.randn(2, 4, 4, 4) for _ in range(2)]
    with torch.inference_mode():
        requested = torch.ones(2, 2, dtype=torch.bool)
        prefix = model.sequence.prefix(torch.randn(2, 32, 4, 4), requested, earlier)
        cached, uncached = (decode_masks(model.sequence, prefix, cached=c) for c in (True, False))
    assert len(cached.tokens.unique()) > 1
    assert torch.equal(cached.tokens, uncached.tokens)


def test_an_endless_video_has_a_bounded_memory(build):
    model = build(memory=memory_of()).eval()
    clip, _ = disc_clip(1)
    earlier = []
    with torch.inference_mode():
        for number in range(5):
            _, earlier = model.predict_next([clip], earlier)
            assert len(earlier) == min(2, number + 1)
    assert earlier[0].shape == (1, 4, 4, 4)


def test_training_with_a_memory(build):
    model = build(memory=memory_of(absent_share=0.0))
    clip, targets = disc_clip(2)
    sum(model([clip], [targets]).values()).backward()
    assert model.sequence.memory.ages.grad.abs().sum() > 0
