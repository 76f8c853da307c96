"""Trainings as jobs of SLURM: the script for sbatch, and what happens before the time limit."""

import os
import pickle
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from forked import run_script

from lgrseg.engine.slurm import TrainingJob, executor, resumed

TOOL = Path(__file__).parents[2] / "tools" / "submit_slurm.py"
TRAINING = ["--config-file", "configs/lgrnet/base.py"]


def submit(*words, path=None):
    environment = os.environ | ({"PATH": f"{path}:{os.environ['PATH']}"} if path else {})
    return run_script(TOOL, words, environment=environment)


def test_the_script_for_sbatch(tmp_path):
    pytest.importorskip("submitit")
    (tmp_path / "srun").write_text("#!/bin/sh\n")  # it is only looked for
    (tmp_path / "srun").chmod(0o755)
    options = ["--nodes", "2", "--gpus", "4", "--cpus", "3", "--hours", "1.5", "--partition", "gpu"]
    options += ["--option", "account=heart", "--folder", str(tmp_path / "logs"), "--dry-run"]
    printed = submit(*options, "--", *TRAINING, "train.max_iter=5", path=tmp_path).stdout
    wanted = ["nodes=2", "gpus-per-node=4", "ntasks-per-node=1", "cpus-per-task=12", "time=90"]
    wanted += ["account=heart", "partition=gpu", "signal=USR2@120", "open-mode=append"]
    assert set(wanted) <= {line.removeprefix("#SBATCH --") for line in printed.splitlines()}


def test_a_machine_without_slurm_says_what_to_do(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="no srun of SLURM: use a machine of the cluster, also"):
        executor(
            tmp_path, name="job", nodes=1, processes=1, gpus=0, cpus=1, memory_gib=1, hours=1,
            others={},
        )  # fmt: skip


def test_mistakes_are_found_before_the_job_waits():
    result = submit("--", *TRAINING, "train.max_itr=5")
    assert result.returncode == 1 and "did you mean 'max_iter'?" in result.stderr


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"nodes": 0}, "nodes=0: it must be 1 or more"),
        ({"memory_gib": 0}, "memory_gib=0: it must be 1 or more"),
        ({"gpus": -2}, "gpus=-2, hours=1: 0 GPUs or more"),
        ({"hours": -1.0}, "hours=-1: 0 GPUs or more, and a time above 0"),
    ],
)
def test_numbers_that_no_job_can_have_are_refused(tmp_path, wrong, message):
    pytest.importorskip("submitit")
    numbers = {"nodes": 1, "processes": 1, "gpus": 0, "cpus": 1, "memory_gib": 1, "hours": 1.0}
    with pytest.raises(ValueError, match=message):
        executor(tmp_path, name="job", others={}, **(numbers | wrong))


def test_a_job_continues_its_run():
    words = [*TRAINING, "--overwrite", "train.max_iter=5"]
    assert resumed(words) == ["--resume", *TRAINING, "train.max_iter=5"]
    assert resumed(resumed(words)) == resumed(words)


def test_a_requeued_job_does_not_begin_again(monkeypatch):
    pytest.importorskip("submitit")
    job = pickle.loads(pickle.dumps(TrainingJob(["--overwrite", *TRAINING], processes=1)))
    for name, value in (("SUBMITIT_EXECUTOR", "slurm"), ("SLURM_JOB_ID", "1")):
        monkeypatch.setenv(name, value)
    start = [sys.executable, "-m", "lgrseg", "train"]
    assert job.command() == [*start, "--overwrite", *TRAINING]
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")  # after a signal, or a fault of the machine
    assert job.command() == [*start, "--resume", *TRAINING]
    job.processes = 2
    command = job.command()
    assert {"--nnodes=1", "--nproc-per-node=2", "--node-rank=0"} <= set(command)
    assert command[-len(TRAINING) - 1 :] == ["--resume", *TRAINING]


def test_a_signal_stops_the_training_and_waits_until_it_is_saved(tmp_path):
    pytest.importorskip("submitit")
    saved, running = tmp_path / "saved", tmp_path / "running"
    code = f"""if True:
        import pathlib, signal, sys, time
        def save(*_):
            time.sleep(0.2)
            pathlib.Path({str(saved)!r}).touch()
            sys.exit(143)
        signal.signal(signal.SIGTERM, save)
        assert signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN
        pathlib.Path({str(running)!r}).touch()
        time.sleep(60)"""

    class Job(TrainingJob):
        def command(self):
            return [sys.executable, "-c", code]

    def send():
        while not running.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGUSR2)

    job, requeued = Job(["--overwrite", *TRAINING], processes=1), []

    def handle(*_):  # as submitit's handler, while the main thread waits for the training
        requeued.append(job.checkpoint().function)
        requeued.append(saved.exists())

    before = signal.signal(signal.SIGUSR2, handle)
    sender = threading.Thread(target=send)
    try:
        sender.start()
        with pytest.raises(RuntimeError, match="status 143"):
            job()
    finally:
        sender.join()
        signal.signal(signal.SIGUSR2, before)
    assert requeued == [job, True] and job.__getstate__()["training"] is None
