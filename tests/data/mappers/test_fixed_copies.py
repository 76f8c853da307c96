"""Clips that can be named: equal keys are equal pixels."""

import numpy as np
import pytest
import torch

from lgrseg.data import (
    ClipMapper,
    DenseSampler,
    FixedCopies,
    HybridSampler,
    MixedSampler,
    RandomSpeckle,
)


def mapper(copies, sampler=None, **settings):
    settings = {"input_size": (32, 48), "augmentations": [RandomSpeckle(prob=1.0)]} | settings
    return FixedCopies(
        frame_sampler=sampler or DenseSampler(num_frames=3), copies=copies, **settings
    )


def draw(mapper, record, seeds):
    return [mapper(record, 2, np.random.default_rng(seed), seen=seed)[0] for seed in seeds]


def test_k_copies_are_all_that_is_ever_drawn(make_video):
    record = make_video("a")
    found: dict[str, torch.Tensor] = {}
    for clip in draw(mapper(3), record, range(40)):
        known = found.setdefault(clip.key, clip.frames)
        assert torch.equal(known, clip.frames) and clip.geometry is None
    assert len(found) == 3
    first, second, third = found.values()
    assert not torch.equal(first, second) and not torch.equal(second, third)
    # Two copies are two of the three, in another run as well.
    assert {clip.key for clip in draw(mapper(2), record, range(100, 140))} < set(found)


def test_no_copies_are_the_unaugmented_clip(make_video):
    record = make_video("a")
    plain, targets = ClipMapper(frame_sampler=DenseSampler(num_frames=3), input_size=(32, 48))(
        record, 2, np.random.default_rng(0)
    )
    one, other = draw(mapper(0), record, (1, 2))
    assert one.key == other.key and torch.equal(one.frames, plain.frames)
    assert one.geometry == plain.geometry and plain.key is None
    assert one.key.startswith("a frames 1,2,3 ")


def test_frames_that_are_drawn_are_those_of_the_copy(make_video):
    record = make_video("long", num_frames=30)
    clips = draw(mapper(2, HybridSampler(num_frames=5)), record, range(20))
    frames = {clip.key: clip.frame_indices.tolist() for clip in clips}
    assert len(frames) == 2 and len({tuple(indices) for indices in frames.values()}) == 2


def test_other_pixels_have_another_key(make_video):
    record = make_video("a")
    keys = {
        draw(mapper(1, **settings), record, [0])[0].key
        for settings in (
            {},
            {"input_size": (16, 24)},
            {"augmentations": [RandomSpeckle(prob=1.0, strength=0.2)]},
        )
    }
    assert len(keys) == 3
    other = make_video("b")  # the same pixels, another video
    assert draw(mapper(0), record, [0])[0].key != draw(mapper(0), other, [0])[0].key


def test_numbers_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="not -1"):
        mapper(-1)
    with pytest.raises(ValueError, match="copies=2 needs augmentations"):
        mapper(2, augmentations=[])


def test_a_schedule_over_the_run_is_refused(make_video):
    def mixed(start, end, first=None):
        first = first or DenseSampler(num_frames=3)
        other = HybridSampler(num_frames=3)
        return MixedSampler(first, other, start=start, end=end, num_clips=100)

    for sampler in (mixed(0.0, 1.0), mixed(0.5, 0.5, first=mixed(0.0, 1.0))):
        with pytest.raises(ValueError, match=r"start=0.0, end=1.0.*same value"):
            mapper(1, sampler)
    record = make_video("long", num_frames=30)
    clips = draw(mapper(2, mixed(0.5, 0.5)), record, range(20))
    assert len({clip.key for clip in clips}) == 2
