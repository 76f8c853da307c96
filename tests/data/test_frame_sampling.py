"""lgrseg/data/frame_sampling.py."""

import numpy as np
import pytest

from lgrseg.data import DenseSampler, HybridSampler, MixedSampler, WholeVideoSampler

RNG = np.random.default_rng


def test_dense_clips_repeat_frames_at_the_edges():
    sampler = DenseSampler(num_frames=5)
    assert sampler(4, 10, RNG(0)) == [2, 3, 4, 5, 6]
    assert sampler(0, 10, RNG(0)) == [0, 0, 0, 1, 2]
    assert sampler(9, 10, RNG(0)) == [7, 8, 9, 9, 9]
    assert sampler(0, 1, RNG(0)) == [0] * 5


def test_only_the_middle_is_supervised_not_its_repeats():
    sampler = DenseSampler(num_frames=5)
    assert sampler.anchors([7, 2], 10) == [2, 7]
    assert sampler.supervised([0, 0, 0, 1, 2], 0, [0, 1, 2]) == [2]
    with pytest.raises(ValueError, match="odd"):
        DenseSampler(num_frames=4)


def test_whole_videos():
    sampler = WholeVideoSampler()
    assert sampler.anchors([1, 3], 4) == [1] and sampler.anchors([], 4) == []
    assert sampler(1, 4, RNG(0)) == [0, 1, 2, 3]
    assert sampler.supervised([0, 1, 2, 3], 1, [1, 3]) == [1, 3]


def test_a_stride_spreads_the_neighbours():
    sampler = DenseSampler(num_frames=5, stride=2)
    assert sampler(10, 60, RNG(0)) == [6, 8, 10, 12, 14]
    assert sampler(1, 60, RNG(0)) == [0, 0, 1, 3, 5]
    with pytest.raises(ValueError, match="stride is 1"):
        DenseSampler(num_frames=5, stride=0)


def hybrid_clips(anchor, length, **settings):
    sampler = HybridSampler(**{"num_frames": 7, **settings})
    return [sampler(anchor, length, RNG(seed)) for seed in range(200)]


@pytest.mark.parametrize("anchor", [0, 1, 30, 58, 59])
def test_hybrid_clips_are_in_order_without_repeats_and_hold_the_anchor(anchor):
    sampler = HybridSampler(num_frames=7)
    for clip in hybrid_clips(anchor, 60):
        assert len(set(clip)) == 7 and clip == sorted(clip)
        assert 0 <= clip[0] and clip[-1] < 60
        (position,) = sampler.supervised(clip, anchor, [anchor])
        assert clip[position] == anchor
    assert sampler.supervised(clip, anchor, []) == []


def test_near_neighbours_are_on_both_sides_at_steps_of_one_to_three():
    steps = set()
    for clip in hybrid_clips(30, 60, num_far=0):
        assert clip[3] == 30
        steps |= set(np.diff(clip).tolist())
    assert steps == {1, 2, 3}
    assert hybrid_clips(30, 60, num_far=0, max_step=1)[0] == [27, 28, 29, 30, 31, 32, 33]


def test_far_frames_come_from_anywhere():
    reached = {index for clip in hybrid_clips(30, 60) for index in clip}
    assert reached == set(range(60))
    # Two near neighbours on each side reach 6 frames at most; the two others are the far ones.
    beyond = [sum(abs(index - 30) > 6 for index in clip) for clip in hybrid_clips(30, 60)]
    assert max(beyond) == 2 and np.mean(beyond) > 1


def test_where_a_side_has_no_frames_the_other_gives_more():
    for clip in hybrid_clips(0, 60, num_far=0):
        assert clip[0] == 0 and set(np.diff(clip)) <= {1, 2, 3}
    assert hybrid_clips(0, 60, num_far=0, max_step=1)[0] == list(range(7))


@pytest.mark.parametrize("length", [1, 2, 6, 7, 8])
def test_a_short_video_gives_every_frame_before_any_is_repeated(length):
    for clip in hybrid_clips(length - 1, length)[:20]:
        assert len(clip) == 7 and clip == sorted(clip)
        assert len(set(clip)) == min(7, length)
        (position,) = HybridSampler(num_frames=7).supervised(clip, length - 1, [length - 1])
        assert clip[position] == length - 1


def test_the_same_generator_gives_the_same_clip_and_wrong_numbers_are_named():
    assert hybrid_clips(5, 60) == hybrid_clips(5, 60)
    with pytest.raises(ValueError, match="num_far=7 must be 0 to 6"):
        HybridSampler(num_frames=7, num_far=7)
    with pytest.raises(ValueError, match="max_step is 1"):
        HybridSampler(num_frames=7, max_step=0)


def test_a_mixture_goes_from_dense_to_hybrid():
    dense, hybrid = DenseSampler(num_frames=7), HybridSampler(num_frames=7)
    mixed = MixedSampler(dense, hybrid, start=0.0, end=0.5, num_clips=1000)
    assert [mixed.share(seen) for seen in (0, 500, 1000, 5000)] == [0, 0.25, 0.5, 0.5]
    middle, rng = list(range(27, 34)), RNG(0)
    drawn = {
        seen: np.mean([mixed(30, 60, rng, seen) != middle for _ in range(2000)])
        for seen in (0, 500, 1000)
    }
    assert drawn[0] == 0 and abs(drawn[500] - 0.25) < 0.04 and abs(drawn[1000] - 0.5) < 0.04
    assert mixed.supervised(middle, 30, [30]) == [3] and mixed.anchors([4, 2], 9) == [2, 4]
    with pytest.raises(ValueError, match="one num_frames.*7 and 5"):
        MixedSampler(dense, HybridSampler(num_frames=5), start=0, end=1, num_clips=9)
    with pytest.raises(ValueError, match="shares from 0 to 1"):
        MixedSampler(dense, hybrid, start=0, end=1.5, num_clips=9)
