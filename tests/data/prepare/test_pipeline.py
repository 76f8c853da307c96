"""pipeline.py: reports, what is not used, what is done again, leaks, what moved."""

import json
import os
import signal

import numpy as np
import pytest

from lgrseg.data.prepare import prepare, print_report
from lgrseg.data.raw_video import LoadedVideo, RawVideo, UnusableVideo
from lgrseg.data.store import read_masks, read_records


def _load(video):
    frames = np.load(video.sources[0])
    masks = {0: np.zeros((4, 4), np.uint8)} if video.facts.get("bad_mask") else None
    return LoadedVideo(frames=frames, masks=masks, notes=["a note"])


def _explode(video):
    raise UnusableVideo("it is broken")


def raw(folder, name, *, load=_load, **facts):
    source = folder / f"{name}.npy"
    if not source.is_file():
        np.save(source, np.full((2, 6, 5), 7, np.uint8))
    return RawVideo(name, [source], patient=name, load=load, facts=facts)


def test_prepare_reports_and_goes_on(tmp_path, capsys):
    videos = [
        raw(tmp_path, "good"),
        raw(tmp_path, "broken", load=_explode),
        raw(tmp_path, "odd", bad_mask=True),
    ]
    out = tmp_path / "out"
    report = prepare(videos, {"stray.txt": "expected something else"}, out, num_workers=2)
    assert report.prepared == ["good"] and set(report.unusable) == {"broken", "odd", "stray.txt"}
    assert "it is broken" in report.unusable["broken"]
    assert "(4, 4), the frames are (6, 5)" in report.unusable["odd"]
    assert json.loads((out / "prepare_report.json").read_text())["notes"] == {"good": ["a note"]}
    print_report(report)
    assert "stray.txt" in capsys.readouterr().out


def test_prepare_keeps_what_is_done_and_redoes_what_changed(tmp_path):
    out = tmp_path / "out"
    videos = [raw(tmp_path, "a"), raw(tmp_path, "b")]
    assert prepare(videos, {}, out).prepared == ["a", "b"]
    again = prepare(videos, {}, out)
    assert again.kept == ["a", "b"] and again.notes == {"a": ["a note"], "b": ["a note"]}
    np.save(tmp_path / "a.npy", np.zeros((3, 6, 5), np.uint8))
    changed = prepare(videos, {}, out)
    assert changed.prepared == ["a"] and changed.kept == ["b"]


def _fail_as_libraries_do(video):
    raise {"memory": MemoryError, "key": KeyError, "bracket": OSError}[video.video_id](
        "[/x] is odd"
    )


def _killed(video):
    os.kill(os.getpid(), signal.SIGKILL)


def test_any_error_and_a_killed_worker_leave_the_others(tmp_path, capsys):
    videos = [raw(tmp_path, "killer", load=_killed)]
    videos += [raw(tmp_path, name, load=_fail_as_libraries_do) for name in ("memory", "key")]
    videos += [raw(tmp_path, "bracket", load=_fail_as_libraries_do)]
    videos += [raw(tmp_path, f"good{i}") for i in range(4)]
    report = prepare(videos, {}, tmp_path / "out", num_workers=2)
    # A video that was written before its process was killed is kept, not prepared again.
    assert sorted(report.prepared + report.kept) == [f"good{i}" for i in range(4)]
    assert report.unusable["memory"] == "memory.npy: MemoryError: [/x] is odd"
    assert "KeyError" in report.unusable["key"]
    assert "was killed; it may need more memory" in report.unusable["killer"]
    print_report(report)  # brackets are no markup
    assert "[/x] is odd" in capsys.readouterr().out
    counts = json.loads((tmp_path / "out" / "prepare_report.json").read_text())["counts"]
    assert counts["unusable"] == 4 and counts["prepared"] + counts["kept"] == 4


def test_two_files_of_one_name_do_not_overwrite_each_other(tmp_path):
    one, other = raw(tmp_path, "a"), raw(tmp_path, "b")
    other.video_id = "a"
    report = prepare([one, other], {}, tmp_path / "out")
    assert report.prepared == ["a"]
    assert report.unusable["b.npy"] == "has the same name as a.npy, which is used: a"


def test_a_file_that_is_refused_now_leaves_the_store(tmp_path):
    out = tmp_path / "out"
    prepare([raw(tmp_path, "a")], {}, out)
    np.save(tmp_path / "a.npy", np.zeros((0, 6, 5), np.uint8))
    report = prepare([raw(tmp_path, "a")], {}, out)
    assert "there are no frames: (T, H, W) = (0, 6, 5)" in report.unusable["a"]
    assert "the video prepared earlier was removed from the store" in report.unusable["a"]
    assert not (out / "a").exists()


def test_a_file_that_cannot_be_read_any_more_is_told_with_what_is_left_of_it(tmp_path):
    out = tmp_path / "out"
    prepare([raw(tmp_path, "a")], {}, out)
    (tmp_path / "a.npy").write_bytes(b"")  # a damaged disk: the prepared form may be the last copy
    report = prepare([raw(tmp_path, "a")], {}, out)
    assert f"delete {out / 'a'} to leave it out" in report.unusable["a"]
    assert (out / "a" / "frames.npy").is_file()


def test_a_damaged_meta_file_is_named_and_made_again(tmp_path):
    out = tmp_path / "out"
    prepare([raw(tmp_path, "a")], {}, out)
    (out / "a" / "meta.json").write_text("")
    with pytest.raises(ValueError, match="meta.json is damaged"):
        read_records(out)
    assert prepare([raw(tmp_path, "a")], {}, out).prepared == ["a"]
    assert len(read_records(out)) == 1


def _load_marked(video):
    """Frames with the masks that "labels" describe: frame -> value of all its pixels."""
    frames = np.load(video.sources[0])
    masks = {k: np.full(frames.shape[1:], v, np.int16) for k, v in video.labels["masks"].items()}
    return LoadedVideo(frames=frames, masks=masks, **video.labels.get("more", {}))


def marked(folder, name, masks, *, split=None, like=None, **more):
    video = raw(folder, name, load=_load_marked)
    if not like:
        np.save(video.sources[0], np.full((2, 6, 5), sum(map(ord, name)) % 250, np.uint8))
    video.sources = [folder / f"{like or name}.npy"]
    video.labels, video.split = {"masks": masks, "more": more}, split
    return video


@pytest.mark.parametrize(
    ("masks", "why"),
    [
        ({0: 3}, "the masks hold the values 3; allowed are 0 to 2 (left, right)"),
        ({0: 255}, "the masks hold the values 255"),
        ({0: 257}, "the masks hold the values 257"),  # 1 as a byte
        ({0: -1}, "the masks hold the values -1"),
        ({0: 1, 2: 1}, "there are masks of frames 2, but the clip has 2 frames, 0 to 1"),
        ({-1: 1}, "there are masks of frames -1"),
        (dict.fromkeys(range(400), 1), "masks of frames 2, 3, 4, 5, 6, ... (398 in all)"),
    ],
)
def test_labels_that_would_break_training_are_refused(tmp_path, masks, why):
    videos = [marked(tmp_path, "bad", masks), marked(tmp_path, "good", {0: 1, 1: 2})]
    report = prepare(videos, {}, tmp_path / "out", classes=("left", "right"))
    assert report.prepared == ["good"] and why in report.unusable["bad"]
    # Prepared before the classes were known, the value is refused all the same.
    prepare(videos, {}, tmp_path / "other")
    again = prepare(videos, {}, tmp_path / "other", classes=("left", "right"))
    assert again.kept == ["good"] and "bad" in again.unusable
    assert [record.video_id for record in read_records(tmp_path / "other")] == ["good"]


def test_leaks_copies_and_classes_that_never_occur_are_told(tmp_path, capsys):
    videos = [
        marked(tmp_path, "a", {0: 1, 1: 0}, split="train"),
        marked(tmp_path, "b", {0: 1}, split="test", like="a"),
        marked(tmp_path, "c", {0: 2}, split="train"),
        marked(tmp_path, "d", {0: 2}, split="train", like="c"),
    ]
    for _ in range(2):  # when all is up to date, too
        report = prepare(videos, {}, tmp_path / "out", classes=("left", "right", "other"))
        assert report.leaks == ["the same file under several names: a, b"]
        assert report.warnings == [
            "the same file under several names, in one split: c, d",
            "class right (value 2) never occurs in test",
            "class other (value 3) never occurs",
        ]
        assert report.notes == {"a": ["frame 1: the mask is empty"]}
    print_report(report)
    assert "never occurs in test" in " ".join(capsys.readouterr().out.split())


def test_spacing_and_rate_that_make_no_sense_are_unknown(tmp_path):
    videos = [
        marked(tmp_path, "a", {0: 1}, spacing_mm=(0.0, 0.3), fps=float("nan")),
        marked(tmp_path, "b", {0: 1}, spacing_mm=(0.2, 0.3), fps=25.0),
    ]
    report = prepare(videos, {}, tmp_path / "out")
    a, b = read_records(tmp_path / "out")
    assert (a.spacing_mm, a.fps) == (None, None)
    assert (b.spacing_mm, b.fps) == ((0.2, 0.3), 25.0)
    assert report.notes["a"] == [
        "a spacing of [0.0, 0.3] mm makes no sense: taken as unknown",
        "a rate of nan frames per second makes no sense: taken as unknown",
    ]


def test_a_store_of_the_first_version_opens_and_is_prepared_anew(make_video, tmp_path):
    record = make_video("old", annotated=(1,))  # as written before: no label_values, no facts
    video = marked(tmp_path, "old", {0: 2})
    assert read_masks(record)[1].max() == 1
    report = prepare([video], {}, tmp_path)
    assert report.prepared == ["old"]
    (again,) = [r for r in read_records(tmp_path) if r.video_id == "old"]
    assert again.annotated_frames == (0,) and read_masks(again)[0].max() == 2


def test_other_datasets_below_the_folder_are_left_alone(tmp_path):
    prepare([raw(tmp_path, "a")], {}, tmp_path / "all" / "one")
    report = prepare([raw(tmp_path, "b")], {}, tmp_path / "all")  # the same pictures as a
    assert not report.removed and not report.left_over
    assert (tmp_path / "all" / "one" / "a" / "frames.npy").is_file()
