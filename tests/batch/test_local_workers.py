"""Worker processes that are killed, run out of memory, or never start."""

import functools

import pytest
from batch_work import Square

from lgrseg.batch import Lost, WorkersError, run_locally


def results(clips, notes, **settings):
    make = functools.partial(Square, notes)
    return dict(run_locally(clips, make, **{"workers": 2, "attempts": 2} | settings))


def test_each_clip_has_a_result_whatever_ends_its_worker(tmp_path):
    notes = tmp_path / "notes"
    clips = [1, "killed once", 2, "killed", 3, 4]
    found = results(clips, notes)
    assert set(found) == set(clips)
    assert [found[n]["square"] for n in (1, 2, 3, 4)] == [1, 4, 9, 16]
    assert found["killed once"] == {"clip": "killed once"}
    assert isinstance(found["killed"], Lost)
    assert "2 of 2 attempts: it was ended by SIGKILL" in found["killed"].reason
    runs = notes.read_text().splitlines()
    assert sorted(runs) == sorted(["1", "2", "3", "4", *2 * ["killed once"], *2 * ["killed"]])


def test_memory_and_time_are_tried_again_in_a_new_process(tmp_path):
    limits = {"attempts": 1, "seconds_per_clip": 0.5}
    found = results(["no memory", "slow"], tmp_path / "notes", **limits)
    assert "out of memory: MemoryError: the GPU is full" in found["no memory"].reason
    assert "it took longer than 0.5 s" in found["slow"].reason


def test_what_is_no_fault_of_a_clip_stops_everything(tmp_path):
    for name, clip, message in (
        ("cannot_start", 1, "the models cannot be loaded: there are no weights"),
        ("dies_at_start", 1, "3 workers ended while they started: it was ended by SIGKILL"),
        ("notes", "no disk", "the disk is full"),
    ):
        with pytest.raises(WorkersError, match=message):
            results([clip], tmp_path / name, workers=1)


def test_no_clips_need_no_workers(tmp_path):
    assert results([], tmp_path / "cannot_start") == {}
