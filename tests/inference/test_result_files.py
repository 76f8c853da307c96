"""lgrseg/inference/result_files.py: what a mark tells apart."""

import os

from lgrseg.inference.result_files import MARK, mark_of, state_of_clip


def test_marks_tell_texts_and_contents_apart(tmp_path):
    weights = tmp_path / "w"
    weights.write_bytes(b"one")
    marks = [mark_of(["a", weights]), mark_of(["b", weights]), mark_of(["ab"]), mark_of(["a", "b"])]
    weights.write_bytes(b"two")
    marks.append(mark_of(["a", weights]))
    assert len(set(marks)) == 5 and all(mark.startswith(MARK) for mark in marks)
    assert mark_of(["a", weights]) == marks[-1] and len(marks[-1]) < 80  # fits a NIfTI header


def test_the_state_of_a_clip_changes_with_its_files(tmp_path):
    (tmp_path / "frames").mkdir()
    for name in ("a.mhd", "a.raw", "frames/1.png", "frames/2.png", "other.mp4"):
        (tmp_path / name).write_bytes(b"x")
    for clip, part in (("a.mhd", "a.raw"), ("frames", "frames/2.png"), ("other.mp4", "other.mp4")):
        before = state_of_clip(tmp_path / clip)
        os.utime(tmp_path / "a.mhd" if clip != "a.mhd" else tmp_path / "other.mp4", (1, 1))
        assert state_of_clip(tmp_path / clip) == before  # another file
        (tmp_path / part).write_bytes(b"longer")
        assert state_of_clip(tmp_path / clip) != before
