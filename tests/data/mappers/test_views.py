"""lgrseg/data/mappers/views.py, and the loader's second stream."""

import numpy as np
import pytest
import torch

from lgrseg.data import (
    ClipMapper,
    DenseSampler,
    HybridSampler,
    LocalGlobalMapper,
    RandomFrameMapper,
    RandomGamma,
    WeakStrongMapper,
)
from lgrseg.data.label_protocol import divide_labels
from lgrseg.data.loader import Unlabelled
from lgrseg.data.mappers.views import random_box
from lgrseg.data.streams import ClipDataset, UnlabelledDataset
from lgrseg.data.train_loader import TrainLoader

RNG = np.random.default_rng


def local_global(**changes):
    settings = {
        "global_sampler": HybridSampler(num_frames=7),
        "local_sampler": DenseSampler(num_frames=3),
        "global_size": (32, 48),
        "local_size": (16, 24),
        "augmentations": [RandomGamma()],
    }
    return LocalGlobalMapper(**(settings | changes))


def test_two_views_are_long_and_large_and_nine_short_and_small(make_video):
    views = local_global()(make_video("a", num_frames=20), 9, RNG(0))
    assert [tuple(clip.frames.shape) for clip in views.teacher] == [(7, 1, 32, 48)] * 2
    assert [tuple(clip.frames.shape) for clip in views.student] == [(3, 1, 16, 24)] * 9
    shown = set(torch.cat([clip.frame_indices for clip in views.teacher]).tolist())
    assert {int(clip.frame_indices[1]) for clip in views.student} <= shown
    assert len({clip.seed for clip in (*views.teacher, *views.student)}) == 11
    assert views.video_id == "a" and views.frame_indices.tolist() == sorted(
        views.frame_indices.tolist()
    )


def test_views_of_one_frame_that_was_read_already():
    frame = np.full((32, 48), 51, np.uint8)
    views = local_global(augmentations=[], num_local=3).views_of(frame, 7, "scan", RNG(0))
    assert [tuple(clip.frames.shape) for clip in views.teacher] == [(1, 1, 32, 48)] * 2
    assert [tuple(clip.frames.shape) for clip in views.student] == [(1, 1, 16, 24)] * 3
    for clip in (*views.teacher, *views.student):
        assert torch.equal(clip.frames, torch.full_like(clip.frames, 51 / 255))
    assert {int(clip.frame_indices) for clip in (*views.teacher, *views.student)} == {7}
    assert views.video_id == "scan" and len({clip.seed for clip in views.student}) == 3


def test_views_are_a_function_of_the_generator(make_video):
    record, mapper = make_video("a", num_frames=20), local_global()
    one, same, other = (mapper(record, 9, RNG(seed)) for seed in (0, 0, 1))
    assert all(
        torch.equal(a.frames, b.frames) for a, b in zip(one.student, same.student, strict=True)
    )
    assert not torch.equal(one.teacher[0].frames, other.teacher[0].frames)


def test_a_video_shorter_than_the_views_repeats_frames(make_video):
    views = local_global()(make_video("a", num_frames=2, annotated=()), 0, RNG(0))
    assert set(views.frame_indices.tolist()) == {0, 1} and len(views.frame_indices) == 7


def test_boxes_have_the_share_they_should():
    size = (200, 300)
    shares = []
    for seed in range(300):
        top, left, bottom, right = random_box(size, (0.1, 0.4), RNG(seed))
        assert 0 <= top < bottom <= 200 and 0 <= left < right <= 300
        height, width = (bottom - top) / 200, (right - left) / 300
        assert 0.74 < height / width < 1.35
        shares.append(height * width)
    assert 0.09 < min(shares) < 0.15 and 0.35 < max(shares) < 0.41
    assert random_box((1, 1), (0.1, 0.1), RNG(0)) == (0, 0, 1, 1)


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"num_local": 0}, "at least one view"),
        ({"local_scale": (0.0, 0.4)}, "0 to 1"),
        ({"global_scale": (0.9, 0.5)}, "0.9 to 0.5"),
    ],
)
def test_wrong_settings_are_named(wrong, told):
    with pytest.raises(ValueError, match=told):
        local_global(**wrong)


def test_teacher_and_student_see_the_same_pixels(make_video):
    mapper = WeakStrongMapper(
        frame_sampler=DenseSampler(num_frames=3),
        input_size=(32, 48),
        strong=[RandomGamma(gamma=3.0)],
    )
    views = mapper(make_video("a"), 2, RNG(0))
    (weak,) = views.teacher
    for strong in views.student:
        assert torch.equal(weak.frame_indices, strong.frame_indices)
        assert torch.equal(weak.frames > 0, strong.frames > 0)
        assert not torch.equal(weak.frames, strong.frames)
    one, other = views.student
    assert not torch.equal(one.frames, other.frames) and one.seed != other.seed
    with pytest.raises(ValueError, match="num_strong=0"):
        WeakStrongMapper(frame_sampler=None, input_size=(32, 48), num_strong=0)


@pytest.fixture
def loader(make_video):
    def build(**changes):
        labelled = [make_video(f"v{i}", annotated=(1, 3), patient=f"p{i}") for i in range(3)]
        silent = [make_video(f"u{i}", annotated=(), patient=f"q{i}") for i in range(2)]
        protocol = divide_labels(labelled, silent, fraction=0.5)
        clips = ClipMapper(frame_sampler=DenseSampler(num_frames=3), input_size=(32, 48))
        settings = {
            "dataset": ClipDataset(records=protocol.labelled, mapper=clips),
            "batch_size": 2,
            "unlabelled": UnlabelledDataset(records=protocol.unlabelled, mapper=local_global()),
            "unlabelled_batch_size": 3,
        }
        return TrainLoader(**(settings | changes))

    return build


def drawn(loader, count):
    batches = iter(loader)
    return [next(batches) for _ in range(count)]


def names(batches):
    return [([c.video_id for c in clips], [v.video_id for v in un]) for clips, _, un in batches]


def test_a_batch_holds_labelled_clips_and_unlabelled_videos(loader):
    (clips, targets, views), *_ = drawn(loader(), 1)
    assert len(clips) == len(targets) == 2 and len(views) == 3
    seen = [name for _, un in names(drawn(loader(), 5)) for name in un]
    # Five videos, each once an epoch: the labelled and the others.
    assert sorted(seen[:5]) == sorted(seen[5:10]) == ["u0", "u1", "v0", "v1", "v2"]


def test_the_second_stream_is_exact_too(loader):
    whole = drawn(loader(), 4)
    later = loader(num_workers=2)
    later.set_start(2)
    for (_, _, views), (_, _, again) in zip(whole[2:], drawn(later, 2), strict=True):
        for one, other in zip(views, again, strict=True):
            assert torch.equal(one.student[8].frames, other.student[8].frames)
            assert one.student[8].seed == other.student[8].seed


def test_training_without_labels(loader):
    ((clips, targets, views),) = drawn(loader(dataset=None, batch_size=0), 1)
    assert clips == targets == [] and len(views) == 3
    assert loader(dataset=None, batch_size=0).iterations_per_epoch == 5 / 3


def test_what_cannot_be_loaded_is_named(loader):
    with pytest.raises(ValueError, match="there are no unlabelled videos: name a dataset"):
        UnlabelledDataset(records=[], mapper=local_global())
    with pytest.raises(ValueError, match="batch_size=0, unlabelled.batch_size=3"):
        loader(batch_size=0)
    with pytest.raises(ValueError, match="needs unlabelled videos"):
        TrainLoader(dataset=None, batch_size=0)


def test_the_builder_divides_and_remembers(make_video, monkeypatch):
    from lgrseg.data import build_train_loader, loader

    records = {
        "some": [make_video(f"v{i}", annotated=(1,), patient=f"p{i}") for i in range(10)],
        "silent": [make_video("u", annotated=())],
    }
    monkeypatch.setattr(loader.DatasetCatalog, "get", records.__getitem__)
    clips = ClipMapper(frame_sampler=DenseSampler(num_frames=3), input_size=(32, 48))
    built = build_train_loader(
        dataset="some",
        mapper=clips,
        batch_size=2,
        label_fraction=0.2,
        unlabelled=Unlabelled(mapper=local_global(), batch_size=1, datasets=["silent"]),
    )
    assert len(built.dataset) == 2
    assert built.protocol.summary()["unlabelled"]["num_videos"] == 11
    with pytest.raises(ValueError, match="above 0 and at most 1, not 0; .* batch_size=0"):
        build_train_loader(dataset="some", mapper=clips, batch_size=2, label_fraction=0)
    elsewhere = build_train_loader(
        dataset="some",
        mapper=clips,
        batch_size=2,
        unlabelled=Unlabelled(
            mapper=local_global(), batch_size=1, datasets=["silent"], training_videos=False
        ),
    )
    assert [record.video_id for record in elsewhere.protocol.unlabelled] == ["u"]
    # Every label: the other frames of the same videos are what is left to learn from.
    whole = build_train_loader(
        dataset="some",
        mapper=clips,
        batch_size=2,
        unlabelled=Unlabelled(mapper=local_global(), batch_size=1),
    )
    assert len(whole.dataset) == 10 and len(whole.protocol.unlabelled) == 10


def test_a_random_frame_is_the_only_view(make_video):
    mapper = RandomFrameMapper(size=(32, 48), scale=(0.5, 0.5))
    views = mapper(make_video("a", num_frames=20), 9, RNG(0))
    (clip,) = views.teacher
    assert clip.frames.shape == (1, 1, 32, 48) and clip.frame_indices.tolist() == [9]
    assert views.student == [] and views.to("cpu").teacher[0].seed == clip.seed
    whole = RandomFrameMapper(size=(32, 48), scale=(1, 1))(make_video("a"), 0, RNG(0)).teacher[0]
    assert not torch.equal(whole.frames, clip.frames)


def test_views_of_a_frame_are_different_parts_of_it(make_video):
    mapper = RandomFrameMapper(size=(32, 48), scale=(0.2, 0.5), num_views=3)
    views = mapper(make_video("a", num_frames=20), 9, RNG(0)).teacher
    assert [view.frame_indices.tolist() for view in views] == [[9]] * 3
    assert len({view.seed for view in views}) == 3
    assert not torch.equal(views[0].frames, views[1].frames)
    with pytest.raises(ValueError, match="num_views=0: at least one"):
        RandomFrameMapper(size=(32, 48), num_views=0)


def test_the_share_of_a_frame_is_checked():
    with pytest.raises(ValueError, match="must be 0 to 1, not 0.5 to 1.5"):
        RandomFrameMapper(size=(32, 48), scale=(0.5, 1.5))
