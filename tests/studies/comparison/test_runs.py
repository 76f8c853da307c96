"""One run: its costs, the same weights with and without kept features, going on."""

import os
import signal
import threading
import time

import pytest
import torch
from tiny_comparison import CONFIGS, FAST, write_configs, write_datasets

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.config import load_config
from lgrseg.engine.stopping import StopRequested
from lgrseg.engine.writers import read_metrics
from lgrseg.studies.comparison.cached import FEATURE_CACHE, CachedTrainer
from lgrseg.studies.comparison.prepared import prepare, with_fixed_copies
from lgrseg.studies.comparison.rows import Row
from lgrseg.studies.comparison.runs import (
    START,
    config_of_run,
    finished,
    measure_costs,
    run,
    run_folder,
)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    return write_datasets(tmp_path_factory.mktemp("phantom"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_configs(tmp_path_factory.mktemp("configs"))


@pytest.mark.slow
def test_costs_of_a_whole_lgrnet(datasets, monkeypatch):
    monkeypatch.setenv("LGRSEG_DATASETS", str(datasets))
    cfg = load_config(CONFIGS / "lgrnet" / "base.py", FAST)
    costs = measure_costs(cfg)
    assert costs["parameters"] == costs["trained"] == 4_696_452
    assert costs["gflops"] > 0 and costs["images_per_second"] > 0


def test_kept_features_train_the_same_weights(datasets, files, tmp_path, monkeypatch):
    monkeypatch.setenv("LGRSEG_DATASETS", str(datasets))
    cfg = load_config(files / "tiny.yaml", ["train.max_iter=12"])
    prepared = prepare(Row.parse("dinov2_small"), with_fixed_copies(cfg, 2))
    trained = []
    for cache in (None, tmp_path / "features", tmp_path / "features"):
        prepared.cfg.train.output_dir = str(tmp_path / f"run{len(trained)}")
        trainer = CachedTrainer(prepared.cfg, cache=cache, name="dinov2_small")
        trainer.train()
        trained.append(trainer)
        # The cache is no part of the run's config.
        assert FEATURE_CACHE not in load_config(trainer.output_dir / "config.yaml")
    plain, filling, reading = (trainer.model for trainer in trained)
    # Two copies of two clips to train on, and one clip to test.
    assert filling.num_computed == 5 and reading.num_computed == 0
    for name, value in plain.state_dict().items():
        assert torch.allclose(filling.state_dict()[name], value, atol=1e-6), name
        assert torch.allclose(reading.state_dict()[name], value, atol=1e-6), name
    lines = [read_metrics(trainer.output_dir) for trainer in trained]
    assert [line["loss"] for line in lines[0] if "loss" in line] == pytest.approx(
        [line["loss"] for line in lines[2] if "loss" in line], abs=1e-6
    )
    assert trained[0].results["camus_4ch_val"]["mean"] == pytest.approx(
        trained[2].results["camus_4ch_val"]["mean"], nan_ok=True
    )


def test_a_stopped_run_goes_on_with_its_own_encoder_alone(datasets, files, tmp_path, monkeypatch):
    monkeypatch.setenv("LGRSEG_DATASETS", str(datasets))
    cfg = load_config(files / "tiny.yaml", ["train.max_iter=100000", "train.log_period=1"])
    rows = ("dinov2_small", f"dinov2_small={files / 'w.safetensors'}")
    random, loaded = (prepare(Row.parse(row), with_fixed_copies(cfg, 0)) for row in rows)
    folder, cache = run_folder(tmp_path, random, 1.0, 0), tmp_path / "features"
    own, other = (config_of_run(prepared, folder, 1.0, 0) for prepared in (random, loaded))

    def stop_after_a_step():
        while not (folder / "metrics.jsonl").is_file():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_after_a_step).start()
    with pytest.raises(StopRequested):
        run(random, own, cache=cache)
    assert not finished(random, own)  # it goes on
    with pytest.raises(ValueError, match="was begun with .*the encoder's weights are others"):
        finished(loaded, other)
    with pytest.raises(ValueError, match="was begun with .*float32 -> float16"):
        finished(random, own, "float16")
    own.train.max_iter = 4
    with pytest.raises(ValueError, match="was begun with .*max_iter: 100000 -> 4"):
        finished(random, own)
    # Where nobody asked, its encoder is not taken for the one that names the features.
    with pytest.raises(CheckpointError, match="is not the one whose features are cached"):
        run(loaded, other, cache=cache)
    assert not list(cache.glob(f"*{loaded.encoder_hash[:16]}*"))
    (folder / START).unlink()  # as a version before left it
    with pytest.raises(ValueError, match="was begun with .*weights: None -> "):
        finished(loaded, other)
    own.train.init_weights = str(folder / "checkpoints" / "last.safetensors")
    other.train.init_weights, other.train.output_dir = own.train.init_weights, str(tmp_path / "x")
    with pytest.raises(ValueError, match="last.safetensors cannot be loaded: its encoder"):
        run(loaded, other, cache=cache)
