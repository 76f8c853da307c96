"""tools/pretraining_data.py, and a run on what it wrote: stopped, and resumed in mid-epoch."""

import csv
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from forked import run_script
from stopped_runs import assert_equal_runs, resumed_run

from lgrseg.config import load_config
from lgrseg.engine.trainer import DefaultTrainer

ROOT = Path(__file__).parents[1]


@pytest.fixture
def tree(tmp_path):
    """Four images, one of them in two sizes, and a broken one."""
    (tmp_path / "tree/heart").mkdir(parents=True)
    for number, noise in enumerate(np.random.default_rng(0).integers(0, 255, (3, 6, 8), np.uint8)):
        cv2.imwrite(str(tmp_path / f"tree/heart/{number}.png"), cv2.resize(noise, (64, 48)))
    cv2.imwrite(str(tmp_path / "tree/large.jpg"), cv2.resize(noise, (128, 96)))
    (tmp_path / "tree/broken.png").write_bytes(b"no picture")
    return tmp_path / "tree"


def run(*words):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return run_script(ROOT / "tools/pretraining_data.py", words, environment=environment)


def test_scan_and_shards(tree, tmp_path):
    done = run("scan", str(tree))
    assert done.returncode == 0, done.stderr
    assert "5 files: 1 near duplicates, 1 unreadable" in done.stdout
    rows = {row["path"]: row for row in csv.DictReader((tree / "list.csv").open())}
    assert rows["large.jpg"]["near_duplicate_of"] == "heart/2.png"
    pytest.importorskip("webdataset", reason="pip install '.[shards]'")
    words = ["shards", f"{tree}/list.csv", "--output", str(tmp_path / "shards")]
    done = run(*words)
    assert "3 frames of 3 files" in done.stdout and "heart: 3 frames" in done.stdout, done.stderr
    done = run(*words)
    assert done.returncode == 1 and "has shards already" in done.stderr


def test_the_method_is_for_training_without_labels():
    words = ["method=image_tree", "dataloader.train.source=scans"]
    cfg = load_config(ROOT / "configs/pretraining/emp_ssl.py", words)
    assert cfg.dataloader.train.source == "scans" and cfg.dataloader.train.batch_size == 16
    assert cfg.dataloader.train.mapper.num_views == 8
    with pytest.raises(ValueError, match="for training without labels: use pretraining/"):
        load_config(ROOT / "configs/baselines/unet.py", words)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tree", "shards"])
def test_a_run_resumed_in_mid_epoch_ends_as_an_unbroken_one(tree, tmp_path, kind):
    source = tree
    if kind == "shards":
        pytest.importorskip("webdataset", reason="pip install '.[shards]'")
        source = tmp_path / "shards"
        words = ["shards", str(tree), "--output", str(source), "--frames-per-shard", "2"]
        assert run(*words).returncode == 0
    cfg = load_config(
        ROOT / "configs/pretraining/mae.py",
        [
            "method=image_tree", f"dataloader.train.source={source}", "probe=null",
            "dataloader.train.mapper.size=[32,32]", "dataloader.train.batch_size=2",
            "model.backbone.image_size=32", "train.max_iter=5", "train.checkpoint_period=3",
            "train.device=cpu",
        ],
    )  # fmt: skip
    cfg.train.output_dir = str(tmp_path / "whole")
    whole = DefaultTrainer(cfg)
    whole.train()
    # Before the fourth step: in the middle of the second epoch.
    resumed = resumed_run(cfg, tmp_path / "stopped", stop_before=3, resume_at=3)
    assert_equal_runs(whole, resumed)
