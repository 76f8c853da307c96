"""A run that was stopped, by whatever means, ends as if it had not been."""

import multiprocessing
import os
import re
import signal
import subprocess
from copy import deepcopy

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.checkpoint.reading import read_state, read_weights
from lgrseg.data.store import DamagedVideoError
from lgrseg.engine.hook_base import HookBase
from lgrseg.engine.run_folder import REPLACED, replacing_run
from lgrseg.engine.stopping import StopRequested
from lgrseg.engine.trainer import DefaultTrainer
from lgrseg.engine.workers import WorkerEndedError
from lgrseg.engine.writers import read_metrics


class At(HookBase):
    """Does something in one step, or in the hook of one step."""

    def __init__(self, iteration, do):
        self.iteration, self.do = iteration, do

    def before_step(self):
        if self.trainer.iteration == self.iteration:
            self.do()


def run(cfg, *, resume=False, hook=None):
    trainer = DefaultTrainer(cfg)
    trainer.resume_or_load(resume=resume)
    if hook:
        trainer.register_hooks([hook])
    trainer.train()
    return trainer


def send(number):
    os.kill(os.getpid(), number)


def assert_same_end(whole, resumed):
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
        assert torch.equal(whole.average.weights[name], resumed.average.weights[name]), name
    assert whole.best_score == resumed.best_score
    keep = ("iteration", "loss", "lr", "eval/tiny/mean_dice")
    lines = [
        [{k: line[k] for k in keep if k in line} for line in read_metrics(trainer.output_dir)]
        for trainer in (whole, resumed)
    ]
    assert lines[0] == lines[1]


SETTINGS = {
    "ema_decay": 0.9,
    "accumulate": 2,
    "log_period": 1,
    "checkpoint_period": 2,
    "eval_period": 2,
}


@pytest.fixture
def cfg(tiny_cfg):
    tiny_cfg.train.update(SETTINGS)
    return tiny_cfg


@pytest.fixture(scope="module")
def made():
    """What a test of this file has made for the next ones."""
    return {}


@pytest.fixture
def whole(cfg, made, tmp_path_factory):
    """A run of `cfg` that nothing stops; one for all tests, which stop others of the same kind."""
    if "whole" not in made:
        apart = deepcopy(cfg)
        apart.train.output_dir = str(tmp_path_factory.mktemp("whole") / "run")
        made["whole"] = run(apart)
    return made["whole"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_killed_and_resumed_is_bit_identical(cfg, whole, tmp_path, num_workers):
    cfg.dataloader.train.num_workers = num_workers
    cfg.train.output_dir = str(tmp_path / "killed")
    process = multiprocessing.get_context("fork").Process(
        target=run, args=(cfg,), kwargs={"hook": At(5, lambda: send(signal.SIGKILL))}
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert read_state(tmp_path / "killed/checkpoints/last.state.pt")["iteration"] == 4
    assert_same_end(whole, run(cfg, resume=True))


def test_a_teacher_its_centre_and_the_schedules_go_on_too(lgsd_cfg, tmp_path):
    lgsd_cfg.train.update(SETTINGS | {"eval_period": 0, "max_iter": 4})
    whole = run(lgsd_cfg)
    lgsd_cfg.train.output_dir = str(tmp_path / "stopped")
    with pytest.raises(StopRequested):
        run(lgsd_cfg, hook=At(2, lambda: send(signal.SIGTERM)))
    resumed = run(lgsd_cfg, resume=True)
    assert_same_end(whole, resumed)  # teacher, heads and statistics are part of the model
    assert whole.model.objective.teacher_logits["clip"].mean.abs().sum() > 0
    names = [n for n in read_metrics(whole.output_dir)[-2] if "lgsd" in n or "unlabelled" in n]
    assert len(names) == 13
    logged = [
        [[line.get(name) for name in names] for line in read_metrics(trainer.output_dir)]
        for trainer in (whole, resumed)
    ]
    assert logged[0] == logged[1]


def test_a_signal_to_the_whole_group_does_not_end_the_workers(cfg, whole, tmp_path):
    cfg.train.output_dir = str(tmp_path / "stopped")
    cfg.dataloader.train.num_workers = 2

    def signal_all():
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGTERM)
        send(signal.SIGTERM)

    with pytest.raises(StopRequested):
        run(cfg, hook=At(2, signal_all))
    assert not multiprocessing.active_children()
    assert_same_end(whole, run(cfg, resume=True))


def test_a_worker_that_is_killed_ends_the_run_and_nothing_hangs(cfg, whole, tmp_path):
    # As the kernel does when memory is short.
    cfg.train.output_dir = str(tmp_path / "killed")
    cfg.dataloader.train.num_workers = 2

    def kill_one():
        os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)

    with pytest.raises(WorkerEndedError, match="1 of 2 worker processes.*exit status -9"):
        run(cfg, hook=At(3, kill_one))
    assert not multiprocessing.active_children()
    assert_same_end(whole, run(cfg, resume=True))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_video_that_vanishes_stops_the_run_which_goes_on_once_it_is_back(
    cfg, tmp_path, num_workers
):
    cfg.train.eval_period = 0  # which would read the video, too
    whole = run(cfg)
    cfg.train.output_dir = str(tmp_path / "vanished")
    cfg.dataloader.train.num_workers = num_workers
    video = tmp_path / "data/tiny/patient0003_4CH/frames.npy"
    away = tmp_path / "away.npy"
    with pytest.raises(DamagedVideoError, match="patient0003_4CH/frames.npy is gone.*again") as e:
        run(cfg, hook=At(1, lambda: video.rename(away)))
    assert re.match(
        r"saved after iteration \d; --resume continues from there", e.value.__notes__[0]
    )
    assert not multiprocessing.active_children()
    away.rename(video)
    assert_same_end(whole, run(cfg, resume=True))


def test_a_worker_out_of_memory_says_so(cfg):
    cfg.dataloader.train.num_workers = 1
    cfg.dataloader.train.mapper.augmentations.append({"_target_": f"{__name__}.Greedy"})
    with pytest.raises(WorkerEndedError, match="^_ArrayMemoryError: Unable to allocate") as e:
        run(cfg)
    assert not hasattr(e.value, "__notes__")  # no step was done, so there is nothing to save
    assert not multiprocessing.active_children()


class Greedy:
    """An augmentation that wants more memory than there is."""

    def __call__(self, frames, masks, rng):
        return np.empty((10**6, 10**6, 10**6)), masks


def test_a_full_disk_stops_the_run_and_leaves_the_earlier_checkpoint(
    cfg, whole, tmp_path, small_disk
):
    cfg.train.output_dir = str(small_disk / "run")
    filler = small_disk / "filler"

    def fill():
        with pytest.raises(OSError, match="No space left"):
            filler.write_bytes(bytes(10**7))

    with pytest.raises((CheckpointError, OSError), match="(?i)disk|space"):
        run(cfg, hook=At(3, fill))
    assert read_state(small_disk / "run/checkpoints/last.state.pt")["iteration"] == 2
    filler.unlink()
    assert_same_end(whole, run(cfg, resume=True))


def test_the_number_of_workers_changes_nothing(cfg, whole, tmp_path):
    cfg.dataloader.train.num_workers = 1
    cfg.train.output_dir = str(tmp_path / "workers")
    assert_same_end(whole, run(cfg))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_leaves(cfg, whole, tmp_path, number):
    cfg.train.output_dir = str(tmp_path / "stopped")
    before = signal.getsignal(number)
    with pytest.raises(StopRequested, match=f"stopped by {number.name}"):
        run(cfg, hook=At(2, lambda: send(number)))
    assert signal.getsignal(number) is before
    assert read_state(tmp_path / "stopped/checkpoints/last.state.pt")["iteration"] == 3
    assert_same_end(whole, run(cfg, resume=True))


class SignalInEvaluation(DefaultTrainer):
    @classmethod
    def build_test_loader(cls, cfg, name):
        for number, batch in enumerate(super().build_test_loader(cfg, name)):
            if number == 1:
                send(signal.SIGTERM)
            yield batch


def test_a_signal_in_an_evaluation_cuts_it_off_and_it_is_made_up_for(cfg, whole, tmp_path):
    cfg.train.output_dir = str(tmp_path / "stopped")
    trainer = SignalInEvaluation(cfg)
    with pytest.raises(StopRequested):
        trainer.train()
    assert trainer.iteration == 2
    assert not any("eval/tiny/mean_dice" in line for line in read_metrics(trainer.output_dir))
    assert_same_end(whole, run(cfg, resume=True))


def test_a_finished_run_is_only_evaluated_again(cfg):
    first = run(cfg)
    again = run(cfg, resume=True)
    assert (again.iteration, again.start_iteration) == (6, 6)
    assert again.results["tiny"]["mean"] == first.results["tiny"]["mean"]
    assert_same_end(first, again)


def test_a_run_is_not_overwritten_by_accident(cfg):
    run(cfg)
    with pytest.raises(CheckpointError, match="--resume continues it, --overwrite deletes it"):
        run(cfg)


def test_an_error_of_the_model_costs_no_step(cfg, tmp_path):
    # As a clip does for which the GPU's memory is too small, hours after the last checkpoint.
    cfg.train.update({"checkpoint_period": 0, "eval_period": 0})
    whole = run(cfg)
    cfg.train.output_dir = str(tmp_path / "stopped")
    trainer = DefaultTrainer(cfg)

    def fail():
        trainer.model.forward = lambda clips, targets, **totals: 1 / 0

    trainer.register_hooks([At(5, fail)])
    with pytest.raises(ZeroDivisionError) as e:
        trainer.train()
    assert re.match(
        r"at iteration 5, with the clips patient000\d_4CH \[0, 1\]; ", e.value.__notes__[0]
    )
    assert e.value.__notes__[1] == "saved after iteration 5; --resume continues from there"
    assert_same_end(whole, run(cfg, resume=True))


def stopped_at_3(cfg, tmp_path):
    """The folder of a run that was stopped after three of six iterations, evaluated after two."""
    cfg.train.output_dir = str(tmp_path / "stopped")
    with pytest.raises(StopRequested):
        run(cfg, hook=At(2, lambda: send(signal.SIGTERM)))
    return tmp_path / "stopped"


def test_what_is_damaged_but_not_needed_does_not_stop_a_run(cfg, whole, tmp_path, caplog):
    folder = stopped_at_3(cfg, tmp_path)
    best = folder / "checkpoints" / "best.state.pt"
    content = best.read_bytes()
    best.unlink()  # not in place: two names may be of one file
    best.write_bytes(content[: len(content) // 2])
    with open(folder / "metrics.jsonl", "ab") as lines:
        lines.write(b'{"iteration": 4, "lo\xff\n\x00\x00\n[1]\n{"iter')
    (folder / "config.yaml").write_bytes(b"train: {max_iter: 6\n\x00")
    caplog.clear()
    assert_same_end(whole, run(cfg, resume=True))
    for told in ("best.state.pt is truncated", "is read instead: the best score is 0.",
                 "4 lines are damaged and left out", "config.yaml is damaged"):  # fmt: skip
        assert told in caplog.text, told
    written = OmegaConf.load(folder / "config.yaml")
    assert all(written[part] == cfg[part] for part in ("model", "dataloader", "optimizer"))


def test_where_the_last_checkpoint_is_gone_the_best_is_one_to_go_on_from(cfg, whole, tmp_path):
    folder = stopped_at_3(cfg, tmp_path)
    for path in (folder / "checkpoints").glob("last.*"):
        path.unlink()
    resumed = run(cfg, resume=True)
    assert resumed.start_iteration == 2
    assert_same_end(whole, resumed)


def test_a_new_run_that_was_stopped_leaves_the_old_one_until_its_first_checkpoint(cfg, tmp_path):
    run(cfg)
    cfg.train.update({"seed": 4, "checkpoint_period": 0, "eval_period": 0})
    folder = tmp_path / "run"
    with pytest.raises(StopRequested), replacing_run(folder):
        run(cfg, hook=At(2, lambda: send(signal.SIGTERM)))  # which saves, as an accident does
    assert read_state(folder / "checkpoints/last.state.pt")["iteration"] == 3
    assert read_state(folder / REPLACED / "checkpoints/last.state.pt")["iteration"] == 6
    resumed = run(cfg, resume=True)
    assert (resumed.start_iteration, resumed.iteration) == (3, 6)
    assert not (folder / REPLACED).exists()


def test_the_clips_go_on_where_they_were_with_other_numbers_of_batches(cfg, caplog):
    caplog.set_level("INFO", "lgrseg")
    cfg.train.max_iter = 3  # of two batches each
    run(cfg)
    cfg.train.update({"max_iter": 5, "accumulate": 1})
    trainer = DefaultTrainer(cfg)
    trainer.resume_or_load(resume=True)
    assert (trainer.iteration, trainer.batches_done) == (3, 6)
    state = trainer.state_dict() | {"num_processes": 4, "num_batches": 23}
    trainer.load_state_dict(state)
    assert (trainer.iteration, trainer.batches_done) == (3, 23)
    assert "had 4 processes and now has 1:" in caplog.text and "none is repeated" in caplog.text
    del state["num_processes"], state["num_batches"]  # of an earlier version
    trainer.load_state_dict(state)
    assert (trainer.iteration, trainer.batches_done) == (3, 3)


def test_the_files_hold_the_averaged_weights_and_the_state_the_trained_ones(cfg, tmp_path):
    trainer = run(cfg)
    folder = tmp_path / "run" / "checkpoints"
    name = "head.classify.bias"
    last, state = read_weights(folder / "last.safetensors"), read_state(folder / "last.state.pt")
    assert torch.equal(last[name], trainer.average.weights[name])
    assert torch.equal(state["model"][name], trainer.model.state_dict()[name])
    assert not torch.equal(last[name], state["model"][name])


def test_a_resumed_run_takes_rates_and_decays_from_its_config(cfg):
    run(cfg)
    cfg.optimizer.weight_decay, cfg.train.max_iter = 0.3, 8
    resumed = DefaultTrainer(cfg)
    resumed.resume_or_load(resume=True)
    assert {group["weight_decay"] for group in resumed.optimizer.param_groups} == {0.0, 0.3}
    assert resumed.iteration == 6


def test_resuming_with_another_model_says_so(cfg):
    run(cfg)
    cfg.model.backbone.width = 8
    cfg.model.head.in_channels = 8
    with pytest.raises(CheckpointError, match="written with another config"):
        run(cfg, resume=True)
