"""tools/train_net.py: stop, go on, evaluate, start over, and what it says when it cannot.

That it learns is in tests/test_train_net.py.
"""

import json
import multiprocessing
import os
import re
import runpy
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forked import Script, run_script

from lgrseg.data.datasets import RAW
from lgrseg.data.phantom import raw_layouts
from lgrseg.data.prepare import prepare
from lgrseg.engine.run_folder import REPLACED

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "train_net.py"
CONFIG = ROOT / "configs/baselines/unet.py"


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """The root of a prepared phantom in CAMUS's layout: two patients to train on, one to test."""
    raw, root = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("datasets")
    raw_layouts.write_raw_camus(raw, num_patients=4)
    prepare(*RAW["camus"].find_videos(raw), root / "camus", num_workers=1)
    RAW["camus"].finish(raw, root / "camus")
    return root


def start(datasets, *arguments, launcher):
    environment = os.environ | {"LGRSEG_DATASETS": str(datasets), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*launcher, str(TOOL), *map(str, arguments)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def call(monkeypatch, *arguments):
    """Run the tool in this process, and give back its exit status."""
    monkeypatch.setattr(sys, "argv", [str(TOOL), *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(TOOL), run_name="__main__")
    return ended.value.code


def six_iterations(run):
    """Arguments of a small U-Net's run into a folder."""
    settings = {
        "train.output_dir": run,
        "train.max_iter": 6,
        "train.num_threads": 1,
        "train.log_period": 1,
        "dataloader.train.mapper.input_size": "[32,32]",
        "dataloader.test.camus_4ch_val.mapper.input_size": "[32,32]",
        "model.backbone.width": 4,
        "model.backbone.num_levels": 2,
        "model.head.in_channels": 4,
    }
    return ["--config-file", CONFIG, *(f"{key}={value}" for key, value in settings.items())]


@pytest.fixture
def tiny(tmp_path):
    """Arguments of a run into a folder of this test."""
    return six_iterations(tmp_path / "run")


@pytest.fixture(scope="module")
def trained(datasets, tmp_path_factory):
    """The folder of a run that is finished; tests copy it."""
    run = tmp_path_factory.mktemp("trained") / "run"
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("LGRSEG_DATASETS", str(datasets))
        assert call(monkeypatch, *six_iterations(run)) == 0
    return run


@pytest.fixture
def finished(trained, tmp_path):
    """A finished run, in the folder of the arguments `tiny`."""
    return shutil.copytree(trained, tmp_path / "run")


def read_results(run):
    return json.loads((run / "eval/camus_4ch_val/results.json").read_text())


def test_sigterm_saves_and_names_the_command_that_goes_on(datasets, tmp_path, tiny):
    run = tmp_path / "run"
    environment = os.environ | {"LGRSEG_DATASETS": str(datasets), "OMP_NUM_THREADS": "1"}
    process = Script(TOOL, [*tiny, "train.max_iter=100000"], environment=environment)
    while not (run / "metrics.jsonl").is_file():  # the first step is done
        assert process.is_running(), process.ended().stderr
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGTERM)
    ended = process.ended(timeout=60)
    errors = ended.stderr
    assert ended.returncode == 128 + signal.SIGTERM
    assert "stopped by SIGTERM, and saved; resume it with" in errors
    command = shlex.split(errors.strip().splitlines()[-1])
    assert command[1:] == [str(TOOL), *map(str, tiny), "train.max_iter=100000", "--resume"]

    done = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["iteration"]
    arguments = [a.replace("100000", str(done + 2)) for a in command[2:]]
    ended = run_script(TOOL, arguments, environment=environment)
    assert ended.returncode == 0, ended.stderr
    errors = ended.stderr
    assert f"resuming from iteration {done} of" in errors
    assert f"config changed, train.max_iter: 100000 -> {done + 2}" in errors


def test_evaluate_only(datasets, finished, tmp_path, monkeypatch):
    monkeypatch.setenv("LGRSEG_DATASETS", str(datasets))
    run, trained = finished, read_results(finished)
    assert re.search(r"; ([\d,]+) of \1 parameters are trained", (run / "log.txt").read_text())
    lines = (run / "metrics.jsonl").read_text()
    (run / "eval/camus_4ch_val/results.json").unlink()
    # From the config that the run left behind.
    assert call(monkeypatch, "--config-file", run / "config.yaml", "--eval-only") == 0
    assert read_results(run)["classes"] == trained["classes"]
    assert (run / "metrics.jsonl").read_text() == lines
    # Another file goes first where it is named.
    other = (run / "checkpoints/last.safetensors").rename(tmp_path / "other.safetensors")
    named = f"train.init_weights={other}"
    assert call(monkeypatch, "--config-file", run / "config.yaml", "--eval-only", named) == 0
    assert read_results(run)["classes"] == trained["classes"]


def test_a_copied_run_is_evaluated_where_it_lies(datasets, trained, finished, monkeypatch):
    monkeypatch.setenv("LGRSEG_DATASETS", str(datasets))
    log = (trained / "log.txt").read_text()
    (finished / "eval/camus_4ch_val/results.json").unlink()
    assert call(monkeypatch, "--config-file", finished / "config.yaml", "--eval-only") == 0
    assert read_results(finished)["classes"] == read_results(trained)["classes"]
    assert (trained / "log.txt").read_text() == log


def test_overwriting_must_be_asked_for(datasets, finished, tiny, monkeypatch, capsys):
    monkeypatch.setenv("LGRSEG_DATASETS", str(datasets))
    assert call(monkeypatch, *tiny) == 1
    assert "already has a run" in capsys.readouterr().err
    assert call(monkeypatch, *tiny, "--overwrite", "train.max_iter=3") == 0
    last = (finished / "metrics.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["iteration"] == 3
    assert call(monkeypatch, *tiny, "--resume") == 0  # three more


def test_a_mistake_costs_no_finished_run(datasets, finished, tiny, monkeypatch, capsys):
    monkeypatch.setenv("LGRSEG_DATASETS", str(datasets))
    files = read_files(finished)
    for mistake, message in (
        ("dataloader.train.dataset=camus_4ch_trian", "the nearest are camus_4ch_train"),
        ("dataloader.test.camus_4ch_val.dataset=camus_4hc_val", "the nearest are camus_4ch_val"),
        ("train.init_weights=nowhere.pth", "no checkpoint nowhere.pth"),
    ):
        assert call(monkeypatch, *tiny, "--overwrite", mistake) == 1
        errors = capsys.readouterr().err
        assert message in errors and "Traceback" not in errors
        assert read_files(finished) == files
    # Found in the first step alone, when the old run is aside already.
    frames = sorted((datasets / "camus").rglob("frames.npy"))
    for path in frames:
        path.rename(path.with_suffix(".away"))
    try:
        assert call(monkeypatch, *tiny, "--overwrite") == 1
    finally:
        for path in frames:
            path.with_suffix(".away").rename(path)
    errors = capsys.readouterr().err
    assert "frames.npy is gone" in errors
    assert f"the earlier run is back in {finished}" in errors
    assert read_files(finished) == files


def read_files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_may_start_from_the_weights_of_the_one_that_it_replaces(
    datasets, finished, tiny, monkeypatch
):
    monkeypatch.setenv("LGRSEG_DATASETS", str(datasets))
    weights = f"train.init_weights={finished / 'checkpoints/last.safetensors'}"
    assert call(monkeypatch, *tiny, "--overwrite", weights, "train.max_iter=1") == 0
    assert json.loads((finished / "metrics.jsonl").read_text().splitlines()[-1])["iteration"] == 1
    assert not (finished / REPLACED).exists()


def test_one_process_at_a_time_trains_into_a_folder(datasets, tmp_path, tiny, monkeypatch, capsys):
    monkeypatch.setenv("LGRSEG_DATASETS", str(datasets))
    run = tmp_path / "run"
    endless = (monkeypatch, *tiny, "train.max_iter=100000")
    process = multiprocessing.get_context("fork").Process(target=call, args=endless)
    process.start()
    try:
        while not (run / "metrics.jsonl").is_file():
            assert process.is_alive()
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGSTOP)  # it holds the folder all the same, and costs nothing
        config = (run / "config.yaml").read_text()
        for words in ([], ["--resume"], ["--overwrite"]):
            assert call(monkeypatch, *tiny, *words) == 1
            told = f"run is in use by process {process.pid} on {socket.gethostname()}"
            assert told in capsys.readouterr().err
        assert (run / "config.yaml").read_text() == config
    finally:
        process.terminate()
        os.kill(process.pid, signal.SIGCONT)
        process.join(timeout=60)
    assert call(monkeypatch, *tiny, "--resume", "train.max_iter=1") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train.max_iter=0"], "train.max_iter is 1 or more"),
        (["--eval-only"], "nothing to evaluate"),
        (["train.init_weights=nowhere.pth"], "no checkpoint nowhere.pth"),
        (["train.device=gpu"], "auto, cpu or cuda"),
        (["optimizer.lr=.inf"], "optimizer.lr is a finite number, not inf"),
        (["schedule.final=.nan"], "schedule.final is a finite number, not nan"),
    ],
)
def test_errors_are_one_message(datasets, tiny, monkeypatch, capsys, arguments, message):
    monkeypatch.setenv("LGRSEG_DATASETS", str(datasets))
    assert call(monkeypatch, *tiny, *arguments) == 1
    errors = capsys.readouterr().err
    assert message in errors and "Traceback" not in errors


@pytest.mark.slow
def test_torchrun_with_two_processes(datasets, tmp_path, tiny):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    process = start(datasets, *tiny, launcher=[*launcher, "--nproc-per-node", "2"])
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "2 clips to train on" in errors and "2 x cpu" in errors
    assert read_results(tmp_path / "run")["num_clips"] == 1
