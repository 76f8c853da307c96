"""Frames of two styles: all of each in every epoch, paired at random, from datasets or folders."""

import pickle

import numpy as np
import pytest
from PIL import Image

from lgrseg.data import build_unpaired_loader
from lgrseg.data.unpaired import UnpairedFrames, frames_of


@pytest.fixture
def folders(tmp_path):
    """Four grey images of style A, three coloured ones of style B; the grey level is the name."""
    for style, count in (("a", 4), ("b", 3)):
        (tmp_path / style).mkdir()
        for number in range(count):
            color = 10 * number if style == "a" else (100 + 10 * number, 0, 0)
            Image.new("L" if style == "a" else "RGB", (20, 16), color).save(
                tmp_path / style / f"{number}.png"
            )
    return {"dataset": str(tmp_path / "a"), "other": str(tmp_path / "b")}


def levels(views):
    """Number of the image of each style, read from its pixels."""
    of_a, of_b = views.teacher[0].frames, views.student[0].frames
    assert of_a.shape == (1, 1, 8, 12) and of_b.shape == (1, 3, 8, 12)
    return round(float(of_a.mean()) * 25.5), round(float(of_b[:, 0].mean()) * 25.5) - 10


def test_every_frame_of_each_style_in_every_epoch(folders):
    frames = UnpairedFrames(**folders, size=(8, 12), seed=5)
    pairs = [levels(frames[index]) for index in range(24)]
    assert len(frames) == 4
    for epoch in range(6):
        assert sorted(a for a, _ in pairs[4 * epoch : 4 * epoch + 4]) == [0, 1, 2, 3]
    for epoch in range(8):
        assert sorted(b for _, b in pairs[3 * epoch : 3 * epoch + 3]) == [0, 1, 2]
    assert len(set(pairs)) > 8  # a frame meets several others; 12 are possible
    assert pairs == [levels(frames[index]) for index in range(24)]
    other_seed = UnpairedFrames(**folders, size=(8, 12), seed=6)
    assert pairs != [levels(other_seed[index]) for index in range(24)]


def test_the_loader_continues_anywhere(folders):
    loader = build_unpaired_loader(**folders, size=(8, 12), batch_size=2, seed=5)
    batches = iter(loader)
    whole = [next(batches) for _ in range(4)]
    assert all(clips == [] and targets == [] and len(views) == 2 for clips, targets, views in whole)
    loader.set_start(3)
    _, _, views = next(iter(loader))
    for one, other in zip(views, whole[3][2], strict=True):
        assert np.array_equal(one.student[0].frames, other.student[0].frames)
        assert one.teacher[0].seed == other.teacher[0].seed


def test_what_is_wrong_is_said(folders, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty has no image"):
        frames_of(str(tmp_path / "empty"))
    with pytest.raises(ValueError, match="no dataset is called 'camus_4hc_train'"):
        frames_of("camus_4hc_train")
    with pytest.raises(ValueError, match="0 to 1, not 0.5 to 2"):
        UnpairedFrames(**folders, size=(8, 8), scale=(0.5, 2))


def test_a_damaged_image_is_named_and_replaced(folders, tmp_path, caplog):
    damaged = tmp_path / "b" / "1.png"
    damaged.write_bytes(damaged.read_bytes()[:20])
    frames = UnpairedFrames(**folders, size=(8, 12), seed=5)
    pairs = [levels(frames[index]) for index in range(24)]
    assert {a for a, _ in pairs} == {0, 1, 2, 3} and {b for _, b in pairs} == {0, 2}
    assert caplog.messages == [
        f"{damaged} is left out: b/1.png is not an image (1 of 3 are unreadable so far)"
    ]
    moved = pickle.loads(pickle.dumps(UnpairedFrames(**folders, size=(8, 12), seed=5)))
    assert pairs == [levels(moved[index]) for index in range(24)]  # as a started worker sees it


def test_only_damaged_images(folders, tmp_path):
    for file in (tmp_path / "a").iterdir():
        file.write_bytes(b"")
    frames = UnpairedFrames(**folders, size=(8, 12))
    with pytest.raises(ValueError, match="none of the 4 images of .*a can be read; .*is empty"):
        frames[0]
