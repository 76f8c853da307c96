"""The folder of a run: one process at a time, and a run in it is lost to nobody's mistake."""

import dataclasses
import json
import multiprocessing
import os
import signal
import socket
import time

import pytest
from omegaconf import OmegaConf

from lgrseg.engine.run_folder import REPLACED, clear_run, config_changes, replacing_run
from lgrseg.engine.run_lock import NAME, Holder, RunFolderError, RunLock


def write_lock(folder, **facts):
    """The lock that a process would have left which is like this one but for `facts`."""
    holder = dataclasses.replace(Holder.this_process(), **facts)
    (folder / NAME).write_text(json.dumps(dataclasses.asdict(holder)))


def test_one_process_at_a_time(tmp_path):
    folder = tmp_path / "run"
    with RunLock(folder) as lock:
        with lock:  # what is called inside may take it, too
            assert (folder / NAME).is_file()
        with pytest.raises(
            RunFolderError, match=rf"run is in use by process {os.getpid()} on .*output_dir="
        ):
            RunLock(folder).__enter__()
    assert not (folder / NAME).exists()


def test_an_error_gives_the_lock_back(tmp_path):
    with pytest.raises(KeyboardInterrupt), RunLock(tmp_path):
        raise KeyboardInterrupt
    assert not (tmp_path / NAME).exists()


def hold(folder, ready):
    with RunLock(folder):
        ready.set()
        time.sleep(60)


def test_the_lock_of_a_process_that_was_killed_is_taken_over(tmp_path):
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=hold, args=(tmp_path, ready))
    process.start()
    assert ready.wait(20)
    with pytest.raises(RunFolderError, match=f"process {process.pid} on"):
        RunLock(tmp_path).__enter__()
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # killed, and nobody has asked yet
    with RunLock(tmp_path):
        assert json.loads((tmp_path / NAME).read_text())["pid"] == os.getpid()
    process.join()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "facts",
    [
        {"boot": "another"},  # the machine was started again
        {"begin": "1"},  # the number was given to another process
    ],
)
def test_a_number_that_another_process_has_now_holds_nothing(tmp_path, facts):
    if not Holder.this_process().begin:
        pytest.skip("this system does not tell when a process began")
    write_lock(tmp_path, **facts)
    with RunLock(tmp_path):
        assert json.loads((tmp_path / NAME).read_text())["begin"] == Holder.this_process().begin


def test_a_lock_of_another_machine_is_named_with_the_remedy(tmp_path):
    write_lock(tmp_path, host="gpu7", boot="another", pid=2**30)
    with pytest.raises(
        RunFolderError, match=rf"process {2**30} on gpu7, since .*delete .*/{NAME}; or"
    ):
        RunLock(tmp_path).__enter__()
    (tmp_path / NAME).unlink()
    with RunLock(tmp_path):
        pass


@pytest.mark.parametrize("text", ["", '{"host": "a', "[]", '{"host": 3}'])
def test_a_lock_that_was_written_by_half_holds_nothing(tmp_path, text):
    (tmp_path / NAME).write_text(text)
    with RunLock(tmp_path):
        assert json.loads((tmp_path / NAME).read_text())["host"] == socket.gethostname()


def test_a_lock_that_another_process_took_over_is_not_given_back(tmp_path):
    with RunLock(tmp_path):
        write_lock(tmp_path, host="gpu7")
    assert json.loads((tmp_path / NAME).read_text())["host"] == "gpu7"


def test_two_names_of_one_folder_have_one_lock(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with RunLock(tmp_path / "link"), pytest.raises(RunFolderError, match="in use"):
        RunLock(tmp_path / "run").__enter__()


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for folder in (tmp_path / "file", tmp_path / "file" / "run", tmp_path / "nowhere"):
        with pytest.raises(RunFolderError, match="cannot be written to .*choose another folder"):
            RunLock(folder).__enter__()


def write_run(folder, iteration):
    """What a run leaves, in small; its metrics say which run it was."""
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    (folder / "checkpoints" / "last.state.pt").write_text(str(iteration))
    (folder / "metrics.jsonl").write_text(f'{{"iteration": {iteration}}}\n')


def iteration_of(folder):
    return int((folder / "checkpoints" / "last.state.pt").read_text())


def test_clearing_a_run_leaves_what_is_not_its_own(tmp_path):
    write_run(tmp_path, 1)
    (tmp_path / "notes.txt").touch()
    clear_run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_run_is_put_back_where_the_new_one_has_no_checkpoint(tmp_path, error):
    write_run(tmp_path, 7)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(error), replacing_run(tmp_path):
        assert sorted(os.listdir(tmp_path)) == ["notes.txt", REPLACED]
        (tmp_path / "log.txt").write_text("the new run")
        raise error
    assert sorted(os.listdir(tmp_path)) == ["checkpoints", "metrics.jsonl", "notes.txt"]
    assert iteration_of(tmp_path) == 7


def test_a_run_that_was_set_aside_outlives_several_tries(tmp_path):
    write_run(tmp_path, 7)
    with pytest.raises(KeyboardInterrupt), replacing_run(tmp_path):
        write_run(tmp_path, 1)  # saved by the signal
        raise KeyboardInterrupt
    assert (iteration_of(tmp_path), iteration_of(tmp_path / REPLACED)) == (1, 7)
    with pytest.raises(ValueError), replacing_run(tmp_path):
        raise ValueError
    assert iteration_of(tmp_path) == 7 and not (tmp_path / REPLACED).exists()


def test_nothing_to_replace_is_nothing_to_do(tmp_path):
    with replacing_run(tmp_path):
        write_run(tmp_path, 1)
    assert sorted(os.listdir(tmp_path)) == ["checkpoints", "metrics.jsonl"]


def test_how_a_config_changed(tmp_path):
    before = OmegaConf.create({"train": {"max_iter": 5, "seed": 0}, "sizes": [1, 2]})
    before.imports, before.train.log_period = ["my.module"], 20  # recorded; the default
    assert config_changes(before, tmp_path) == []
    before.model = {"_target_": "somebody.elses.Model"}  # it is compared, not called
    OmegaConf.save(before, tmp_path / "config.yaml")
    after = OmegaConf.create({"train": {"max_iter": 6, "seed": 0, "amp": True}, "sizes": [1]})
    assert config_changes(after, tmp_path) == [
        "model._target_: somebody.elses.Model -> not set",
        "sizes.1: 2 -> not set",
        "train.amp: False -> True",
        "train.max_iter: 5 -> 6",
    ]


def test_a_damaged_config_is_told(tmp_path):
    (tmp_path / "config.yaml").write_bytes(b"train: {max_iter: 5\n\x00")
    with pytest.raises(ValueError, match="config.yaml is damaged"):
        config_changes(OmegaConf.create({}), tmp_path)
