"""Transforms, mapper and loader: from a record to a batch."""

import itertools

import numpy as np
import pytest
import torch

from lgrseg.comm import processes as distributed
from lgrseg.data import (
    ClipMapper,
    DenseSampler,
    RandomAffine,
    RandomContrast,
    RandomElastic,
    RandomGamma,
    RandomSpeckle,
)
from lgrseg.data.streams import ClipDataset, TestDataset
from lgrseg.data.train_loader import TrainLoader

RNG = np.random.default_rng


AUGMENTATIONS = [
    RandomAffine(),
    RandomAffine(flip=1.0),
    RandomGamma(),
    RandomContrast(),
    RandomElastic(prob=1.0),
    RandomSpeckle(prob=1.0),
]


@pytest.mark.parametrize("augment", AUGMENTATIONS, ids=lambda a: type(a).__name__)
def test_augmentations_treat_all_frames_alike_and_stay_in_range(augment):
    frames = np.tile(RNG(0).random((1, 32, 48, 1), dtype=np.float32), (3, 1, 1, 1))
    masks = np.zeros((2, 32, 48), np.uint8)
    masks[:, 8:20, 10:30] = 2
    changed, moved = augment(frames, masks, RNG(1))
    assert changed.shape == frames.shape and changed.dtype == np.float32
    assert moved.shape == masks.shape and set(np.unique(moved)) <= {0, 2}
    assert 0 <= changed.min() and changed.max() <= 1
    assert not np.array_equal(changed, frames)
    assert np.array_equal(moved[0], moved[1])
    if not isinstance(augment, RandomSpeckle):  # speckle differs from frame to frame
        assert np.array_equal(changed[0], changed[2])


def test_masks_move_with_the_frames():
    frames = np.zeros((1, 64, 64, 1), np.float32)
    frames[0, 20:40, 24:48] = 1
    masks = (frames[..., 0] > 0).astype(np.uint8)
    warps = (RandomAffine(rotation=40, flip=0.5), RandomElastic(displacement=0.1, prob=1.0))
    for warp, seed in itertools.product(warps, range(5)):
        changed, moved = warp(frames, masks, RNG(seed))
        assert not np.array_equal(moved, masks)
        bright = changed[0, ..., 0] > 0.5
        assert (bright == (moved[0] == 1)).mean() > 0.99


def test_probability_zero_changes_nothing():
    frames, masks = np.ones((1, 4, 4, 1), np.float32), np.zeros((0, 4, 4), np.uint8)
    idle = (RandomAffine, RandomElastic, RandomGamma, RandomSpeckle)
    for augment in (kind(prob=0) for kind in idle):
        assert augment(frames, masks, RNG(0))[0] is frames


def mapper(**changes):
    settings = {"frame_sampler": DenseSampler(num_frames=3), "input_size": (32, 48)}
    return ClipMapper(**(settings | changes))


def test_mapper(make_video):
    clip, targets = mapper()(make_video("a", annotated=(2,)), 2, RNG(0))
    assert clip.frames.shape == (3, 1, 32, 48) and clip.frames.dtype == torch.float32
    assert clip.frame_indices.tolist() == [1, 2, 3]
    assert targets.annotated.tolist() == [False, True, False]
    assert targets.labels.tolist() == [0]
    # At the crop's own size the mask lies exactly on the bright square of its frame.
    assert torch.equal(targets.masks[0, 1], clip.frames[1, 0] > 0.5)
    assert not targets.masks[0, [0, 2]].any()


def test_geometry_pastes_back_exactly(make_video):
    record = make_video("a", annotated=(2,))
    clip, targets = mapper()(record, 2, RNG(0))
    pasted = clip.geometry.paste(targets.masks[0, 1].float(), outside=0.0)
    from lgrseg.data.store import read_masks

    assert np.array_equal(pasted.numpy() > 0.5, read_masks(record)[2] == 1)
    augmented = mapper(augmentations=[RandomGamma()])(record, 2, RNG(0))[0]
    assert augmented.geometry is None


def test_a_frame_without_any_object(make_video):
    record = make_video("a", annotated=(2,))
    masks = np.zeros((1, 40, 60), np.uint8)
    np.savez(f"{record.folder}/masks.npz", frame_indices=np.array([2]), masks=masks)
    _, targets = mapper()(record, 2, RNG(0))
    assert targets.masks.shape == (0, 3, 32, 48) and targets.annotated.sum() == 1


def dataset(make_video, **changes):
    records = [make_video(f"v{i}", annotated=(1, 3)) for i in range(3)]
    return ClipDataset(records=records, mapper=mapper(augmentations=[RandomAffine()]), **changes)


def drawn(loader, count):
    batches = iter(loader)
    return [next(batches) for _ in range(count)]


def same(first, second):
    return all(
        torch.equal(a.frames, b.frames) and a.video_id == b.video_id
        for (one, _), (other, _) in zip(first, second, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def test_every_clip_once_an_epoch_in_another_order(make_video):
    clips = dataset(make_video)
    epochs = [
        [(c.video_id, int(c.frame_indices[1])) for c, _ in map(clips.__getitem__, range(a, a + 6))]
        for a in (0, 6)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) and len(set(epochs[0])) == 6
    assert epochs[0] != epochs[1]


def test_the_number_of_workers_changes_nothing(make_video):
    clips = dataset(make_video, seed=3)
    alone = drawn(TrainLoader(dataset=clips, batch_size=2), 4)
    helped = drawn(TrainLoader(dataset=clips, batch_size=2, num_workers=2), 4)
    assert same(alone, helped)


def test_a_later_start_goes_on_where_the_stream_is(make_video):
    loader = TrainLoader(dataset=dataset(make_video), batch_size=2)
    whole = drawn(loader, 5)
    loader.set_start(3)
    assert same(whole[3:], drawn(loader, 2))


def test_the_first_iterations_can_have_smaller_frames(make_video):
    clips, small = dataset(make_video), dataset(make_video)
    small.mapper.input_size = (16, 24)
    loader = TrainLoader(dataset=clips, batch_size=2, early=small, early_iterations=2)
    batches = drawn(loader, 4)
    assert [batch[0][0].frames.shape[-2:] for batch in batches] == 2 * [(16, 24)] + 2 * [(32, 48)]
    # The same clips in the same order, and a resumed run goes on with the right size.
    plain = drawn(TrainLoader(dataset=clips, batch_size=2), 4)
    assert same(plain[2:], batches[2:])
    assert [c.video_id for c in plain[1][0]] == [c.video_id for c in batches[1][0]]
    loader.set_start(1)
    assert same(batches[1:], drawn(loader, 3))
    assert same(plain, drawn(TrainLoader(dataset=clips, batch_size=2, early=small), 4))
    with pytest.raises(ValueError, match=r"early_iterations=2: .* 0 without an early_mapper"):
        TrainLoader(dataset=clips, batch_size=2, early_iterations=2)


def test_two_processes_share_the_stream_of_one(make_video, monkeypatch):
    clips = dataset(make_video)
    batches = TrainLoader(dataset=clips, batch_size=4).batches()
    whole = [next(batches) for _ in range(3)]
    monkeypatch.setattr("lgrseg.data.train_loader.get_world_size", lambda: 2)
    halves = []
    for rank in range(2):
        monkeypatch.setattr("lgrseg.data.train_loader.get_rank", lambda rank=rank: rank)
        batches = TrainLoader(dataset=clips, batch_size=2).batches()
        halves.append([next(batches) for _ in range(3)])
    assert [a + b for a, b in zip(*halves, strict=True)] == whole


def test_processes_share_the_test_clips(make_video, monkeypatch):
    clips = dataset(make_video)
    monkeypatch.setattr("lgrseg.data.streams.get_world_size", lambda: 2)
    parts = []
    for rank in range(2):
        monkeypatch.setattr("lgrseg.data.streams.get_rank", lambda rank=rank: rank)
        parts.append(TestDataset(samples=clips.samples, mapper=mapper()))
    seen = [(r.video_id, anchor) for part in parts for r, anchor, _, _ in part]
    assert sorted(seen) == [(r.video_id, anchor) for r, anchor in clips.samples]
    assert distributed.get_world_size() == 1


def test_a_video_without_annotation_is_named(make_video):
    records = [make_video("good"), make_video("silent", annotated=())]
    with pytest.raises(ValueError, match="1 videos .* no annotated frame: silent"):
        ClipDataset(records=records, mapper=mapper())
    with pytest.raises(ValueError, match="holds no video"):
        ClipDataset(records=[], mapper=mapper())
