"""Pairs of frames: by name from two folders, or by a degradation; equal parts of both."""

import numpy as np
import pytest
from PIL import Image

from lgrseg.data import RandomSpeckle, build_paired_loader
from lgrseg.data.paired import PairedFrames, paired


@pytest.fixture
def folders(tmp_path):
    """Three pairs; the good image is a ramp, and the poor one has half of its values."""
    ramp = np.add.outer(np.arange(16), 4 * np.arange(20)).astype(np.uint8)
    for name, factor, ending in (("low", 1, "bmp"), ("high", 2, "png")):
        (tmp_path / name).mkdir()
        for number in range(3):
            picture = factor * (ramp + 10 * number)
            Image.fromarray(picture).save(tmp_path / name / f"{number}.{ending}")
    return tmp_path


def test_both_frames_show_the_same_part(folders):
    low, high = str(folders / "low"), str(folders / "high")
    pairs = PairedFrames(dataset=high, poor=low, size=(8, 10), scale=(0.3, 0.6))
    items = [pairs[index] for index in range(6)]
    for views in items:
        (poor,), (good,) = views.teacher, views.student
        assert poor.frames.shape == (1, 1, 8, 10)
        assert good.frames.numpy() == pytest.approx(2 * poor.frames.numpy(), abs=1.5 / 255)
    names = [views.student[0].video_id for views in items]
    assert len(set(names[:3])) == len(set(names[3:])) == 3  # every pair once per epoch
    again = [pairs[index].teacher[0] for index in range(6)]
    assert all(a.frames.equal(v.teacher[0].frames) for a, v in zip(again, items, strict=True))


def test_a_poor_frame_is_made_of_a_good_one(folders):
    speckle = [RandomSpeckle(strength=0.5, prob=1.0)]
    loader = build_paired_loader(
        dataset=str(folders / "high"), degradations=speckle, size=(16, 20), scale=(1.0, 1.0),
        batch_size=2,
    )  # fmt: skip
    clips, targets, views = next(iter(loader))
    assert clips == targets == [] and len(views) == 2
    for pair in views:
        poor, good = pair.teacher[0].frames, pair.student[0].frames
        assert not poor.equal(good) and (poor - good).abs().mean() < 0.2


def test_bad_pairs_are_said(folders):
    low, high = folders / "low", folders / "high"
    (low / "2.bmp").unlink()
    with pytest.raises(ValueError, match=r"1 of 3 frames of .*high have no partner .*/2.png:"):
        paired(str(low), str(high))
    Image.new("L", (9, 9)).save(low / "2.bmp")
    pairs = PairedFrames(dataset=str(high), poor=str(low), size=(8, 8))
    with pytest.raises(ValueError, match=r"2.bmp has 9 x 9 px, and its partner .*16 x 20 px"):
        [pairs[index] for index in range(3)]
    Image.new("L", (9, 9)).save(low / "2.png")
    with pytest.raises(ValueError, match="two images called 2: rename"):
        paired(str(low), str(high))
    with pytest.raises(ValueError, match="give one of them, not neither"):
        PairedFrames(dataset=str(high), size=(8, 8))
    with pytest.raises(ValueError, match="not both"):
        PairedFrames(dataset=str(high), poor=str(low), degradations=[1], size=(8, 8))
    with pytest.raises(ValueError, match="0 to 1, not 0 to 1"):
        PairedFrames(dataset=str(high), poor=str(low), size=(8, 8), scale=(0, 1))


def test_a_pair_with_a_damaged_image_is_named_and_replaced(folders, caplog):
    low, high = folders / "low", folders / "high"
    (low / "1.bmp").write_bytes(b"")
    pairs = PairedFrames(dataset=str(high), poor=str(low), size=(8, 8))
    names = {pairs[index].student[0].video_id for index in range(6)}
    assert names == {str(high / "0.png"), str(high / "2.png")}
    assert caplog.messages == [
        f"{high / '1.png'} is left out: low/1.bmp is empty (0 bytes) (1 of 3 are unreadable so far)"
    ]
