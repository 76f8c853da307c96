"""Animated GIF and WebP as clips."""

import numpy as np
import pytest
from PIL import Image

from lgrseg.data.io import UnreadableFile, is_readable, read_video
from lgrseg.data.io.stills import num_pages, read_still
from lgrseg.data.prepare.clip_files import find_clips


def pictures(count=5, size=(30, 41)):
    """A bright square that moves to the right, each frame another grey."""
    frames = np.zeros((count, *size), np.uint8)
    for index in range(count):
        frames[index, 5:15, 4 * index : 4 * index + 10] = 250 - 20 * index
    return frames


def animation(path, frames, times, **how):
    first, *rest = (Image.fromarray(frame) for frame in frames)
    first.save(path, save_all=True, append_images=rest, duration=times, loop=0, **how)
    return path


@pytest.mark.parametrize("whole", [2**29, 1])
@pytest.mark.parametrize(("name", "how"), [("a.gif", {}), ("a.WEBP", {"lossless": True})])
def test_frames_and_rate(tmp_path, name, how, whole, monkeypatch):
    monkeypatch.setattr("lgrseg.data.io.lazy_frames.WHOLE_BYTES", whole)
    path = animation(tmp_path / name, pictures(), [40, 40, 40, 40, 2000], **how)
    assert is_readable(path) and num_pages(path) == 5
    video = read_video(path)
    np.testing.assert_array_equal(np.asarray(video.frames), pictures())
    np.testing.assert_array_equal(video.frames[1], pictures()[1])
    assert video.fps == 25 and video.notes == []


def test_only_the_changed_part_is_stored(tmp_path):
    path = animation(tmp_path / "a.gif", pictures(), 40, disposal=2)
    np.testing.assert_array_equal(read_video(path).frames, pictures())


def test_times_that_vary_or_are_not_there(tmp_path):
    video = read_video(animation(tmp_path / "a.gif", pictures(), [20, 20, 80, 80, 80]))
    assert video.fps == 20 and "varies: 20 to 80 ms" in video.notes[0]
    video = read_video(animation(tmp_path / "b.gif", pictures(), 0))
    assert video.fps is None and "give the rate (fps)" in video.notes[0]


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_stills(tmp_path, ending):
    for number, frame in enumerate(pictures(3)):
        Image.fromarray(frame).save(tmp_path / f"{number}.{ending}", lossless=True)
    still = tmp_path / f"0.{ending}"
    assert not is_readable(still) and read_video(still).fps is None
    np.testing.assert_array_equal(read_still(still)[..., 0], pictures()[0])
    np.testing.assert_array_equal(read_video(tmp_path).frames, pictures(3))
    animation(tmp_path / f"3.{ending}", pictures(), 40)
    with pytest.raises(UnreadableFile, match=f"3.{ending} has 5 pages beside 3 other images"):
        read_video(tmp_path)


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_damaged_files(tmp_path, ending):
    path = animation(tmp_path / f"a.{ending}", pictures(), 40)
    whole = path.read_bytes()
    for length in (20, len(whole) // 2):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableFile, match=f"a.{ending}"):
            read_video(path)
    path.write_bytes(b"GIF89a or not")
    with pytest.raises(UnreadableFile, match="is not an image"):
        read_video(path)
    with pytest.raises(UnreadableFile, match="is not an image"):
        read_still(path)


def test_a_file_that_was_cut_does_not_stop_the_search_of_a_folder(tmp_path):
    for number in range(2):
        animation(tmp_path / f"{number}.gif", pictures(), 40)
    cut = tmp_path / "1.gif"
    whole = cut.read_bytes()
    seen = set()
    for length in range(1, len(whole), 3):  # within headers, colours and pictures
        cut.write_bytes(whole[:length])
        found = find_clips(tmp_path)
        assert "0" in found.clips
        seen |= found.left_out.keys()
        if "1" not in found.clips:
            assert sum(found.left_out.values(), []) == [cut]
    assert "damaged, or no picture" in seen
    for length in range(1, len(whole), 9):
        cut.write_bytes(whole[:length])
        try:
            assert 1 <= len(read_video(cut).frames) <= 5
        except UnreadableFile as error:
            assert "1.gif" in str(error)
