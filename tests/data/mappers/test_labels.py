"""lgrseg/data/mappers/labels.py and SegmentSampler: clips with a class, of every video one."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lgrseg.data import ClipMapper, LabelMapper, RandomAffine, SegmentSampler, WholeVideoSampler
from lgrseg.data.streams import ClipDataset

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("num_frames", "length", "wanted"),
    [
        (1, 1, [0]),  # a still
        (1, 9, [4]),
        (3, 9, [1, 4, 7]),  # parts 0-2, 3-5, 6-8
        (4, 2, [0, 0, 1, 1]),  # too short: frames repeat
    ],
)
def test_middles_of_equal_parts(num_frames, length, wanted):
    assert SegmentSampler(num_frames=num_frames)(0, length, RNG) == wanted


def test_any_frame_of_a_part():
    sampler = SegmentSampler(num_frames=3, jitter=1.0)
    drawn = np.array([sampler(0, 9, np.random.default_rng(seed)) for seed in range(200)])
    assert [sorted(set(column)) for column in drawn.T.tolist()] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    half = SegmentSampler(num_frames=1, jitter=0.5)
    drawn = {half(0, 8, np.random.default_rng(seed))[0] for seed in range(200)}
    assert drawn == {2, 3, 4, 5}


def test_parts_and_shares_that_cannot_be():
    for settings in ({"num_frames": 0}, {"jitter": 1.5}):
        with pytest.raises(ValueError, match="num_frames=. is 1 or more"):
            SegmentSampler(**settings)


def mapper(**changes):
    sampler = SegmentSampler(num_frames=2)
    return LabelMapper(frame_sampler=sampler, input_size=(16, 24), **changes)


def test_a_clip_and_its_label(make_video):
    record = replace(make_video("v", num_frames=4, annotated=()), label=2)
    assert mapper().samples([record]) == [(record, 2)]
    clip, target = mapper()(record, 2, RNG)
    assert clip.frames.shape == (2, 1, 16, 24) and clip.frame_indices.tolist() == [1, 3]
    assert clip.geometry.crop_box == (4, 6, 36, 54) and clip.video_id == "v"
    assert target.label == 2 and target.to("cpu") is target
    clip, _ = mapper(augmentations=[RandomAffine()])(record, 2, RNG)
    assert clip.geometry is None  # cannot be mistaken for the picture itself


def test_samplers_around_an_anchor_work_too(make_video):
    record = replace(make_video("v", num_frames=3, annotated=()), label=0)
    whole = LabelMapper(frame_sampler=WholeVideoSampler(), input_size=(8, 8))
    assert whole(record, 1, RNG)[0].frame_indices.tolist() == [0, 1, 2]


def test_a_sample_depends_on_seed_and_position_alone(make_video):
    videos = [make_video(f"v{n}", num_frames=4, annotated=()) for n in range(3)]
    records = [replace(video, label=n) for n, video in enumerate(videos)]
    jittered = LabelMapper(
        frame_sampler=SegmentSampler(num_frames=2, jitter=1.0),
        input_size=(16, 24),
        augmentations=[RandomAffine()],
    )
    one, other = (ClipDataset(records=records, mapper=jittered, seed=5) for _ in range(2))
    assert len(one) == 3
    labels = []
    for index in (4, 1, 3, 0, 5, 2):
        (clip, target), (again, same) = one[index], other[index]
        assert torch.equal(clip.frames, again.frames) and clip.seed == again.seed
        assert target == same
        labels.append((index // 3, target.label))
    assert sorted(labels) == [(epoch, label) for epoch in (0, 1) for label in (0, 1, 2)]


def test_what_is_missing_is_named(make_video):
    unlabelled = make_video("v", annotated=())
    with pytest.raises(ValueError, match="1 videos have no label: v; .*ClipMapper"):
        ClipDataset(records=[unlabelled], mapper=mapper())
    masks = ClipMapper(frame_sampler=WholeVideoSampler(), input_size=(8, 8))
    with pytest.raises(ValueError, match="no annotated frame: v"):
        ClipDataset(records=[replace(unlabelled, label=0)], mapper=masks)
