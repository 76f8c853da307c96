"""tools/compare_backbones.py from runs to tables, on tiny encoders and a small phantom as CAMUS."""

import json
import os
from pathlib import Path

import pytest
import torch
from forked import run_script
from safetensors.torch import save_file

from lgrseg.comparison.cached import CachedTrainer
from lgrseg.comparison.rows import Row, with_fixed_copies
from lgrseg.comparison.rows import prepare as prepare_row
from lgrseg.comparison.runs import measure_costs
from lgrseg.config import L, load_config, save_config
from lgrseg.data.datasets import RAW, phantom
from lgrseg.data.prepare import prepare
from lgrseg.engine.writers import read_metrics
from lgrseg.modeling.foundation import FoundationBackbone, ViTPyramid, build_encoder, frozen
from lgrseg.modeling.heads import FPNHead
from lgrseg.modeling.per_pixel import PerPixelSegmenter

ROOT = Path(__file__).parents[1]
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
FAST = [
    "train.max_iter=3",
    "train.eval_period=0",
    "train.num_threads=1",
    "dataloader.train.batch_size=1",
    "dataloader.train.mapper.input_size=[32,32]",
    "dataloader.test.camus_4ch_val.mapper.input_size=[32,32]",
]


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """The root of a prepared phantom in CAMUS's layout: two patients to train on, one to test."""
    raw, root = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("datasets")
    phantom.write_raw_camus(raw, num_patients=4)
    prepare(*RAW["camus"].find_videos(raw), root / "camus", num_workers=1)
    RAW["camus"].finish(raw, root / "camus")
    return root


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A config of a tiny DINOv2, a whole other config, and weights for the first."""
    folder = tmp_path_factory.mktemp("configs")
    cfg = load_config(ROOT / "configs" / "baselines" / "unet_camus.py", FAST)
    whole = cfg.copy()
    whole.model.backbone.width, whole.model.backbone.num_levels = 4, 2
    whole.model.head.in_channels = 4
    save_config(whole, folder / "unet.yaml")
    encoder = L(build_encoder)(name="dinov2_small", **TINY)
    names = [f"res{level}" for level in range(2, 6)]
    cfg.model = L(PerPixelSegmenter)(
        backbone=L(FoundationBackbone)(
            encoder=L(frozen)(encoder=encoder),
            neck=L(ViTPyramid)(in_channels=32, stride=14, dim=16),
        ),
        head=L(FPNHead)(in_channels=dict.fromkeys(names, 16), num_classes=3, dim=16),
        num_classes=3,
    )
    save_config(cfg, folder / "tiny.yaml")
    torch.manual_seed(5)
    weights = build_encoder("dinov2_small", **TINY).model.state_dict()
    save_file(weights, folder / "w.safetensors")
    return folder


def run(datasets, files, out, *arguments):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LGRSEG_DATASETS": str(datasets)}
    command = ["--config-file", files / "tiny.yaml", "--output", out, *arguments]
    tool = ROOT / "tools" / "compare_backbones.py"
    return run_script(tool, command, environment=environment)


def test_costs_of_a_whole_lgrnet(datasets, monkeypatch):
    monkeypatch.setenv("LGRSEG_DATASETS", str(datasets))
    cfg = load_config(ROOT / "configs" / "lgrnet" / "camus.py", FAST)
    costs = measure_costs(cfg)
    assert costs["parameters"] == costs["trained"] == 4_696_452
    assert costs["gflops"] > 0 and costs["images_per_second"] > 0


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
    assert (run_folder / "labels.json").is_file()
    assert "cached" not in (run_folder / "config.yaml").read_text().lower()
    kept = list((tmp_path / "features").glob("dinov2_small-*/*/*.safetensors"))
    assert len(kept) == 2  # one clip to train on, one to test
    # Other settings are not mixed in.
    result = run(datasets, files, tmp_path, *command, "train.max_iter=4")
    assert result.returncode == 1 and "was done with other settings" in result.stderr
    assert "train.max_iter: 3 -> 4" in result.stderr


def test_kept_features_train_the_same_weights(datasets, files, tmp_path, monkeypatch):
    monkeypatch.setenv("LGRSEG_DATASETS", str(datasets))
    cfg = load_config(files / "tiny.yaml", ["train.max_iter=12"])
    prepared = prepare_row(Row.parse("dinov2_small"), with_fixed_copies(cfg, 2))
    trained = []
    for cache in (None, tmp_path / "features", tmp_path / "features"):
        prepared.cfg.train.output_dir = str(tmp_path / f"run{len(trained)}")
        trainer = CachedTrainer(prepared.cfg, cache=cache, name="dinov2_small")
        trainer.train()
        trained.append(trainer)
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
        (["--backbones", "dinov2_small", "--max-cache-gib", "0"], "take fewer --copies"),
        (["--backbones", "dinov2_small", "--only", "dinov2", "1", "0"], "no row is called"),
    ],
)
def test_errors_are_one_sentence_before_anything_starts(
    datasets, files, tmp_path, arguments, message
):
    result = run(datasets, files, tmp_path / "out", *arguments)
    assert result.returncode == 1, result.stdout
    assert message in result.stderr and "Traceback" not in result.stderr
    assert not list(tmp_path.rglob("fraction_*"))


@pytest.mark.slow
def test_timing_epochs(datasets, files, tmp_path):
    command = ["--backbones", "dinov2_small", "--time-cache", "--copies", "1"]
    result = run(datasets, files, tmp_path, *command)
    assert result.returncode == 0, result.stderr
    (table,) = json.loads((tmp_path / "time_cache.json").read_text())["comparisons"]
    assert list(table["rows"]) == [
        "no cache", "first epoch, which fills the cache", "from the cache"
    ]  # fmt: skip
    assert "times as fast" in result.stdout
