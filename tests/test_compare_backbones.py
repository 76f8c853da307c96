"""tools/compare_backbones.py from runs to tables, on tiny encoders and a small phantom as CAMUS."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forked import run_script
from tiny_comparison import write_configs, write_datasets

from lgrseg.config import load_config, save_config

ROOT = Path(__file__).parents[1]
WEIGHTS = "model.backbone.encoder.encoder.weights=w.pth"


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    return write_datasets(tmp_path_factory.mktemp("phantom"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_configs(tmp_path_factory.mktemp("configs"))


def run(datasets, files, out, *arguments):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LGRSEG_DATASETS": str(datasets)}
    command = ["--config-file", files / "tiny.yaml", "--output", out, *arguments]
    tool = ROOT / "tools" / "compare_backbones.py"
    return run_script(tool, command, environment=environment)


def test_runs_and_tables(datasets, files, tmp_path):
    rows = ["dinov2_small", f"dinov2_base={files / 'w.safetensors'}"]
    rows += [f"config:{files / 'unet.yaml'}"]
    command = ["--backbones", *rows, "--fractions", "0.5"]
    for name in ("dinov2_small", "dinov2_base", "unet"):
        result = run(datasets, files, tmp_path, *command, "--only", name, "0.5", "0")
        assert result.returncode == 0, result.stderr
    result = run(datasets, files, tmp_path, *command)
    assert result.returncode == 0 and "training" not in result.stderr, result.stderr
    assert "features of dinov2_small: at most 0.000 GiB" in result.stdout
    found = json.loads((tmp_path / "comparison.json").read_text())
    (section,) = found["sections"]
    assert section["label_fraction"] == 0.5 and len(section["labelled_patients"]) == 1
    results, machinery = section["tables"]
    assert [row["row"] for row in results["rows"]] == ["dinov2_base", "unet"]
    assert [row["row"] for row in machinery["rows"]] == ["dinov2_small"]
    assert machinery["machinery_check"] and not results["machinery_check"]
    assert len(results["paired"]) == 1 and len(machinery["paired"]) == 2
    (small,), (loaded, unet) = machinery["rows"], results["rows"]
    assert small["trained"] < small["parameters"] and unet["trained"] == unet["parameters"]
    assert small["encoder_sha256"] != loaded["encoder_sha256"]
    assert small["gflops"] > 0 and small["images_per_second"] > 0 and small["steps"] == 3
    text = (tmp_path / "comparison.md").read_text()
    assert "50% of the labels (1 patients): Machinery check" in text and "Bland-Altman" in text
    run_folder = tmp_path / "fraction_0.5" / "dinov2_small" / "seed_0"
    # It may be evaluated as any other run; what only served to go on is gone.
    assert not list(run_folder.rglob("*.state.pt"))
    assert not (run_folder / "comparison_start.json").exists()
    assert (run_folder / "labels.json").is_file()
    assert "cached" not in (run_folder / "config.yaml").read_text().lower()
    kept = list((tmp_path / "features").glob("dinov2_small-*/*/*.safetensors"))
    assert len(kept) == 2  # one clip to train on, one to test
    # Other settings are not mixed in.
    result = run(datasets, files, tmp_path, *command, "train.max_iter=4")
    assert result.returncode == 1 and "was done with other settings" in result.stderr
    assert "train.max_iter: 3 -> 4" in result.stderr
    result = run(datasets, files, tmp_path, *command, "--precision", "float16")
    assert result.returncode == 1 and "features: float32 -> float16" in result.stderr
    # Results and weights may lie elsewhere: nothing is trained again.
    shutil.move(tmp_path / "fraction_0.5", tmp_path / "moved" / "fraction_0.5")
    weights = shutil.copy(files / "w.safetensors", tmp_path / "same.safetensors")
    rows[1] = f"dinov2_base={weights}"
    command[1:4] = rows
    result = run(datasets, files, tmp_path / "moved", *command)
    assert result.returncode == 0 and "training" not in result.stderr, result.stderr
    assert (
        found["sections"]
        == json.loads((tmp_path / "moved/comparison.json").read_text())["sections"]
    )


@pytest.mark.slow
def test_sigterm_saves_and_the_same_command_goes_on(datasets, files, tmp_path):
    tool = ROOT / "tools" / "compare_backbones.py"
    command = [sys.executable, str(tool), "--config-file", str(files / "tiny.yaml")]
    command += ["--backbones", "dinov2_small", "--output", str(tmp_path), "--seeds", "0", "1"]
    command += ["train.max_iter=100000", "train.log_period=1"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LGRSEG_DATASETS": str(datasets)}
    folder = tmp_path / "fraction_1" / "dinov2_small" / "seed_0"
    lines = folder / "metrics.jsonl"
    for number in (signal.SIGTERM, signal.SIGINT):
        before = lines.stat().st_size if lines.is_file() else 0
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        while not lines.is_file() or lines.stat().st_size == before:  # no step yet
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.02)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 128 + number, errors
        assert f"stopped by {number.name}; the same command resumes" in errors
        assert "failed" not in errors and not (tmp_path / "comparison.json").exists()
        assert not folder.with_name("seed_1").exists()
        assert (folder / "checkpoints" / "last.state.pt").is_file()
        assert f"stopped by {number.name}" in (folder.parent / "seed_0.log").read_text()
        if before:
            assert "resuming from iteration" in (folder / "log.txt").read_text()


@pytest.mark.slow
def test_seeds_copies_and_a_run_that_fails(datasets, files, tmp_path):
    broken = load_config(files / "unet.yaml")
    broken.model.num_classes = broken.model.head.num_classes = 7
    save_config(broken, tmp_path / "broken.yaml")
    out = tmp_path / "out"
    rows = ["dinov2_small", "dinov3_vits16", f"config:{tmp_path / 'broken.yaml'}"]
    command = ["--backbones", *rows, "--copies", "2"]
    result = run(datasets, files, out, *command, "--seeds", "0", "1")
    assert result.returncode == 1, result.stdout
    assert result.stderr.count("failed:") == 2 and "broken/seed_1.log" in result.stderr
    assert "predicts 7 classes" in (out / "fraction_1/broken/seed_0.log").read_text()
    text = (out / "comparison.md").read_text()
    assert "2 fixed augmented copies of each clip" in text and "## Failed" in text
    (table,) = json.loads((out / "comparison.json").read_text())["sections"][0]["tables"]
    assert [row["seeds"] for row in table["rows"]] == [[0, 1], [0, 1]] and len(table["paired"]) == 1
    # One set of features: the encoder is the same for every seed.
    assert len(list((out / "features").glob("dinov2_small-*"))) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backbones", "dinov2_smal"], "did you mean 'dinov2_small'"),
        (["--backbones", "dinov2_small=no.safetensors"], "no.safetensors"),
        (["--backbones", "config:no.py"], "no config file no.py"),
        (["--backbones", "dinov2_small", "dinov2_small"], "must differ"),
        (["--backbones", "dinov2_small", "train.max_itre=1"], "did you mean 'max_iter'"),
        (["--backbones", "dinov2_small", "--fractions", "0"], "label_fraction is above 0"),
        (["--backbones", "dinov2_small", "--copies", "-1"], "copies is 0 (no augmentation)"),
        (["--backbones", "dinov2_small", "--max-cache-gib", "0"], "use fewer --copies"),
        (["--backbones", "dinov2_small", "--only", "dinov2", "1", "0"], "no row is called"),
        (["--backbones", "dinov2_small", WEIGHTS], "--backbones as dinov2_small=w.pth"),
        (["--backbones", "config:no.py,model.x=1"], "no config file no.py;"),
        (["--backbones", "dinov2_small", "--time-cache", "--seeds", "0", "1"], "one value of"),
        (["--backbones", "dinov2_small", "--time-cache", "--max-cache-gib", "0"], "use fewer"),
    ],
)
def test_errors_are_one_sentence_before_anything_starts(
    datasets, files, tmp_path, arguments, message
):
    result = run(datasets, files, tmp_path / "out", *arguments)
    assert result.returncode == 1, result.stdout
    assert message in result.stderr and "Traceback" not in result.stderr
    assert not list(tmp_path.rglob("fraction_*"))


def test_nothing_to_time(datasets, files, tmp_path):
    command = ["--backbones", f"config:{files / 'unet.yaml'}", "--time-cache"]
    result = run(datasets, files, tmp_path / "out", *command)
    assert result.returncode == 1 and "needs an encoder in --backbones" in result.stderr
    assert "unet is not timed: it has no completely frozen encoder" in result.stderr


@pytest.mark.slow
def test_timing_epochs(datasets, files, tmp_path):
    rows = ["dinov2_small", f"config:{files / 'unet.yaml'}"]
    command = ["--backbones", *rows, "--time-cache", "--copies", "1", "--precision", "float16"]
    result = run(datasets, files, tmp_path, *command)
    assert result.returncode == 0 and "unet is not timed" in result.stderr, result.stderr
    assert "Features are cached as float16" in " ".join(result.stdout.split())
    assert "features of dinov2_small: at most" in result.stdout
    assert not list((tmp_path / "features").iterdir())  # only for the time it was measured
    (table,) = json.loads((tmp_path / "time_cache.json").read_text())["comparisons"]
    assert list(table["rows"]) == [
        "no cache", "first epoch, which fills the cache", "from the cache"
    ]  # fmt: skip
    assert "times as fast" in result.stdout
