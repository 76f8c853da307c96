"""lgrseg/inference/batch.py: whatever one clip raises, the others are done and all are named."""

from pathlib import Path

import pytest

from lgrseg.data.prepare.clip_files import ClipsInFolder
from lgrseg.inference.batch import predict_clips
from lgrseg.inference.file_predictor import Outcome

ENDS = {
    "a.mp4": MemoryError(),
    "b.mp4": RuntimeError("out of memory\nmany lines"),
    "c.mp4": KeyError("x"),
    "d.mp4": ValueError("box [1, 2] lies outside"),
    "e.mp4": Outcome(notes=["no spacing", "uneven"]),
    "f.mp4": Outcome(doubts=["every frame is black"]),
    "g.mp4": Outcome(was_there=True),
}


def segment(path, stem):
    """Ends each clip as ENDS says, where the real predictor would need such a disaster."""
    assert stem == Path("out") / path.stem
    if isinstance(ENDS[path.name], Exception):
        raise ENDS[path.name]
    return ENDS[path.name]


def test_every_clip_has_its_line(capsys):
    found = ClipsInFolder({name[0]: Path("in", name) for name in ENDS})
    summary = predict_clips(segment, found, Path("out"))
    lines, last = summary.describe(Path("out"))
    assert lines == [
        "note: in/e.mp4: no spacing; uneven",
        "doubtful: in/f.mp4: every frame is black",
        "not segmented: in/a.mp4: MemoryError (LGRSEG_TRACEBACK=1 shows where)",
        "not segmented: in/b.mp4: RuntimeError: out of memory (LGRSEG_TRACEBACK=1 shows where)",
        "not segmented: in/c.mp4: KeyError: 'x' (LGRSEG_TRACEBACK=1 shows where)",
        "not segmented: in/d.mp4: box [1, 2] lies outside",
    ]
    assert last == (
        "3 of 7 clips segmented into out, 1 of them doubtful; 1 existed already "
        "(--overwrite replaces them); 4 not segmented, for the reasons above"
    )
    assert summary.exit_status == 1
    assert capsys.readouterr().err.count("not segmented") == 4  # each at once, too


def test_all_done(capsys):
    found = ClipsInFolder({name[0]: Path("in", name) for name in ("e.mp4", "f.mp4")})
    assert predict_clips(segment, found, Path("out")).exit_status == 0


def test_who_interrupts_is_obeyed():
    def interrupted(path, stem):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_clips(interrupted, ClipsInFolder({"a": Path("in/a.mp4")}), Path("out"))


def test_a_folder_that_is_not_writable_is_refused_before_the_first_clip(tmp_path):
    (tmp_path / "file").touch()  # root, too, cannot write below it
    found = ClipsInFolder({"a": Path("in/e.mp4")})
    with pytest.raises(PermissionError, match="file/out cannot be written to"):
        predict_clips(segment, found, tmp_path / "file" / "out")
