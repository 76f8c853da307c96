"""Labelled images from raw folders to results, through the command lines, as a user runs them."""

import csv
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from forked import run_script

from lgrseg.checkpoint.reading import read_state
from lgrseg.config import load_config
from lgrseg.data.datasets import RAW
from lgrseg.data.prepare import prepare
from lgrseg.engine.trainer import DefaultTrainer
from lgrseg.engine.writers import read_metrics

ROOT = Path(__file__).parents[1]
CONFIG = f"""
from tiny_encoder import TinyEncoder

from lgrseg.config import L, load_config
from lgrseg.modeling.heads.classifier import ClipClassifier, LinearHead

data = load_config({str(ROOT / "configs" / "datasets" / "class_folders.py")!r})
loop = load_config({str(ROOT / "configs" / "common" / "train.py")!r})
dataloader, evaluator = data.dataloader, data.evaluator
train, optimizer, schedule = loop.train, loop.optimizer, loop.schedule

model = L(ClipClassifier)(
    backbone=L(TinyEncoder)(width=32),
    head=L(LinearHead)(in_channels=32, num_classes=3),
    num_classes=3,
)
for loader in (dataloader.train, *dataloader.test.values()):
    loader.num_workers = 0
    loader.mapper.input_size = [32, 32]
dataloader.train.mapper.augmentations = dataloader.train.mapper.augmentations[:1]
optimizer.lr = 2e-2
schedule.warmup = 10
schedule.max_iter = 100
train.clip_norm = None
train.max_iter = 100
train.eval_period = 50
train.checkpoint_period = 50
"""


def picture(kind: str, rng: np.random.Generator) -> np.ndarray:
    """(32, 32) uint8: a bright disc (benign), a bright square (malignant), or nothing (normal)."""
    image = rng.integers(0, 60, (32, 32)).astype(np.uint8)
    row, column = rng.integers(10, 22, 2).tolist()
    if kind == "benign":
        cv2.circle(image, (column, row), 8, 220, -1)
    if kind == "malignant":
        cv2.rectangle(image, (column - 9, row - 9), (column + 9, row + 9), 220, -1)
    return image


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A prepared class_folders of 90 + 30 + 30 images, and the config of a tiny classifier."""
    folder = tmp_path_factory.mktemp("classes")
    rng = np.random.default_rng(0)
    for split, count in (("training_set", 30), ("val_set", 10), ("test_set", 10)):
        for kind in ("benign", "malignant", "normal"):
            (folder / "raw" / split / kind).mkdir(parents=True)
            for number in range(count):
                file = folder / "raw" / split / kind / f"{number}.png"
                cv2.imwrite(str(file), picture(kind, rng))
    report = prepare(*RAW["class_folders"].find_videos(folder / "raw"), folder / "class_folders")
    assert report.num_usable == 150
    (folder / "config.py").write_text(CONFIG)
    return folder


def run(place, tool, *arguments):
    environment = os.environ | {
        "LGRSEG_DATASETS": str(place),
        "LGRSEG_TRUSTED": "tiny_encoder",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "140",
    }
    tool = ROOT / "tools" / f"{tool}.py"
    return run_script(tool, arguments, cwd=place, environment=environment)


@pytest.fixture(scope="module")
def trained(place):
    """A run that was trained in one go, and what the command printed."""
    out = place / "output" / "whole"
    result = run(
        place, "train_net", "--config-file", place / "config.py", f"train.output_dir={out}"
    )
    assert result.returncode == 0, result.stderr
    return out, result.stdout


def results_of(out, split="test"):
    return json.loads((out / "eval" / f"class_folders_{split}" / "results.json").read_text())


def test_shapes_are_learnt(trained):
    out, printed = trained
    results = results_of(out)
    assert results["mean"]["balanced_accuracy"] > 0.9 and results["mean"]["auc"] > 0.95
    assert results["num_clips"] == 30
    assert "Each class against the rest" in printed and "malignant" in printed
    rows = list(csv.DictReader((out / "eval/class_folders_test/predictions.csv").open()))
    right = [row["truth"] == row["predicted"] for row in rows]
    assert len(rows) == 30 and np.mean(right) == pytest.approx(results["mean"]["accuracy"])
    page = (out / "eval" / "class_folders_test" / "report.html").read_text()
    assert "Confusion matrix" in page and "Calibration" in page and "Training loss" in page
    assert "Balanced accuracy<b>" in page
    key = "eval/class_folders_val/mean_balanced_accuracy"
    scores = [line[key] for line in read_metrics(out) if key in line]
    assert (
        len(scores) == 2 and "eval/class_folders_test/benign_sensitivity" in read_metrics(out)[-1]
    )
    best = read_state(out / "checkpoints" / "best.state.pt")
    assert best["best_score"] == max(scores)  # the best is chosen by balanced accuracy


def test_a_run_that_goes_on_ends_with_the_same_weights(place, monkeypatch):
    monkeypatch.setenv("LGRSEG_DATASETS", str(place))
    monkeypatch.setenv("LGRSEG_TRUSTED", "tiny_encoder")
    jittered = "dataloader.train.mapper.augmentations.0.horizontal=0.9"

    def train(name, *overrides, resume=False):
        folder = place / "output" / name
        words = [f"train.output_dir={folder}", "train.eval_period=0", jittered, *overrides]
        cfg = load_config(place / "config.py", words)
        cfg.dataloader.test = {}
        trainer = DefaultTrainer(cfg)
        trainer.resume_or_load(resume=resume)
        trainer.train()
        return (folder / "checkpoints" / "last.safetensors").read_bytes()

    whole = train("in_one_go", "train.max_iter=4")
    stopped = train("in_parts", "train.max_iter=2")
    assert train("in_parts", "train.max_iter=4", resume=True) == whole != stopped


def test_eval_only_gives_the_same_numbers(place, trained):
    before = results_of(trained[0])
    (trained[0] / "eval" / "class_folders_test" / "results.json").unlink()
    config = trained[0] / "config.yaml"
    result = run(place, "train_net", "--config-file", config, "--eval-only")
    assert result.returncode == 0, result.stderr
    again = results_of(trained[0])
    assert again | {"seconds_per_clip": 0} == before | {"seconds_per_clip": 0}


def test_the_other_tools_cope(place, trained):
    out = trained[0]
    table = run(place, "results_table", out, "--dataset", "class_folders_test").stdout
    assert "balanced accuracy [95% CI]" in table and "| whole |" in table, table
    seeds = run(place, "results_table", "--over-seeds", out)
    assert "sensitivity benign" in seeds.stdout, seeds.stderr
    picture = place / "curves.png"
    words = ("--dataset", "class_folders_val", "--output", picture)
    assert run(place, "plot_curves", out, *words).returncode == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    counted = run(place, "analyze_model", "--config-file", out / "config.yaml")
    assert counted.returncode == 0 and "backbone" in counted.stdout, counted.stderr
    explained = run(
        place, "explain_labels", out, "--dataset", "class_folders_test", "--count", "4",
        "--weights", "last", "--output", place / "evidence",
    )  # fmt: skip
    assert explained.returncode == 0, explained.stderr
    picture = cv2.imread(str(place / "evidence" / "class_folders_test_evidence.png"))
    assert picture.shape == (4 * 240, 3 * 240, 3)
    rows = list(csv.DictReader((place / "evidence" / "evidence.csv").open()))
    p_truth = [float(row["p_truth"]) for row in rows]
    everyone = csv.DictReader((out / "eval/class_folders_test/predictions.csv").open())
    lowest = sorted(float(row[f"p_{row['truth']}"]) for row in everyone)[:4]
    assert p_truth == pytest.approx(lowest, abs=1e-6)
    weights = out / "checkpoints" / "last.safetensors"
    refused = run(
        place, "predict", "--config-file", out / "config.yaml", "--weights", weights,
        "--input", place / "raw" / "test_set" / "benign", "--output", place / "masks",
    )  # fmt: skip
    assert refused.returncode == 1 and "which predicts no masks" in refused.stderr
