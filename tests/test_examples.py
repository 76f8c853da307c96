"""docs/examples: what the documentation shows as a pattern works, in the order it is shown.

The files lie in a folder outside the project, as a user's own files do.
"""

import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from forked import run_script
from safetensors.torch import load_file

from lgrseg.visualization.overlays import write_mp4

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"
SHORT = (
    "train.max_iter=1",
    "train.device=cpu",
    "train.export_videos=0",
    "model.encoder.num_layers=1",
    "dataloader.train.mapper.input_size=[64,64]",
    "dataloader.test.val.mapper.input_size=[64,64]",
)
TRUST = ("--trust", "my_dataset", "--trust", "my_backbone", "--trust", "my_loss")


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    yield
    for path in EXAMPLES.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the examples, and a raw dataset of a bright square, prepared."""
    folder = tmp_path_factory.mktemp("own_project")
    for path in [*EXAMPLES.glob("*.py"), ROOT / "configs", ROOT / "tools"]:
        (folder / path.name).symlink_to(path)
    for patient in ("train/ann", "val/bob"):
        clip = folder / "raw" / patient / "clip.mp4"
        clip.parent.mkdir(parents=True)
        frames = np.zeros((5, 64, 64, 3), np.uint8)
        frames[:, 16:48, 16:48] = 200
        write_mp4(clip, frames, fps=5)
        cv2.imwrite(str(clip.with_name("clip_2.png")), frames[2, ..., 0] // 200)
    (folder / "raw" / "val" / "bob" / "unlabelled.mp4").write_bytes(clip.read_bytes())
    words = ("mine", "--import", "my_dataset", "--raw", "raw", "--out", "datasets/mine")
    prepared = run(folder, "tools/prepare_dataset.py", *words)
    assert prepared.returncode == 0, prepared.stderr
    assert "has no mask such as unlabelled_0.png" in prepared.stdout + prepared.stderr
    return folder


def run(folder, script, *words):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LGRSEG_DATASETS": "datasets"}
    environment.pop("LGRSEG_TRUSTED", None)
    return run_script(folder / script, words, cwd=folder, environment=environment)


@pytest.fixture(scope="module")
def trained(project):
    """The folder of a run with all examples: dataset, backbone, loss and hook."""
    result = run(project, "my_hook.py", "my_config.py", *SHORT, "train.output_dir=output/with_hook")
    assert result.returncode == 0, result.stderr
    return project / "output" / "with_hook"


def test_the_loss_has_a_value_and_the_hook_writes_the_norm_of_the_weights(trained):
    (metrics,) = read_metrics(trained, "weight_norm")
    weights = load_file(trained / "checkpoints" / "last.safetensors")
    squares = sum(float((w.double() ** 2).sum()) for w in weights.values() if w.is_floating_point())
    assert metrics["weight_norm"] == pytest.approx(squares**0.5, rel=1e-3)
    (metrics,) = read_metrics(trained, "loss_class")
    assert metrics["loss_area"] > 0 and metrics["aux_loss_area"] > 0


def test_the_saved_config_needs_nothing_but_trust(project, trained):
    words = ("--config-file", trained / "config.yaml", "--eval-only")
    refused = run(project, "tools/train_net.py", *words)
    assert refused.returncode == 1 and "--trust my_dataset" in refused.stderr
    evaluated = run(project, "tools/train_net.py", *words, *TRUST)
    assert evaluated.returncode == 0, evaluated.stderr
    results = json.loads((trained / "eval" / "mine_val" / "results.json").read_text())
    assert list(results["classes"]) == ["left_ventricle"]


@pytest.mark.slow
def test_train_net_trains_the_config(project):
    result = run(project, "tools/train_net.py", "--config-file", "my_config.py", *SHORT)
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_images_of_ones_own_classes_are_classified(project):
    for part in ("training_set", "val_set", "test_set"):
        for value, plane in ((60, "abdomen"), (160, "brain")):
            place = project / "my planes" / part / plane
            place.mkdir(parents=True)
            cv2.imwrite(str(place / "an image.png"), np.full((40, 50, 3), value, np.uint8))
    words = ("planes", "--import", "my_planes", "--raw", "my planes", "--out", "datasets/planes")
    prepared = run(project, "tools/prepare_dataset.py", *words)
    assert prepared.returncode == 0, prepared.stderr
    words = ("--import", "my_planes", "--config-file", "configs/foundation/vfm4us_classify.py")
    small = ("dataloader.train.mapper.input_size=[64,64]", "train.max_iter=1", "train.device=cpu")
    trained = run(project, "tools/train_net.py", *words, "dataset=planes.py", *small)
    assert trained.returncode == 0, trained.stderr
    file = "output/vfm4us_classify_planes/eval/planes_test/results.json"
    results = json.loads((project / file).read_text())
    assert list(results["classes"]) == ["abdomen", "brain"] and results["num_clips"] == 2


def read_metrics(run_folder, key):
    lines = (run_folder / "metrics.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if key in line]


def test_the_backbone_has_the_channels_and_strides_that_it_names():
    from my_backbone import SmallConvNet

    backbone = SmallConvNet(width=8)
    features = backbone(torch.zeros(2, 3, 64, 96))
    assert list(features) == ["res2", "res3", "res4", "res5"]
    for name, maps in features.items():
        stride = backbone.strides[name]
        assert maps.shape == (2, backbone.channels[name], 64 // stride, 96 // stride)


def test_the_area_loss_by_hand():
    from my_loss import AreaTerm

    from lgrseg.modeling import SetCriterion

    truth = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    truth[..., :4, :4] = True  # a quarter of the frame
    logits = torch.zeros(1, 1, 4, 4)  # probability 0.5 everywhere
    criterion = SetCriterion(num_classes=1, num_points=16, extra_terms=[AreaTerm(weight=2.0)])
    losses = criterion.mask_losses([(logits, truth)], {"mask": 1.0}, [None])
    assert losses["loss_area"].tolist() == [pytest.approx(2.0 * (0.5 - 0.25))]
    assert set(losses) == {"loss_mask", "loss_dice", "loss_area"}


def test_a_dataset_fits_into_60_lines():
    assert len((EXAMPLES / "my_dataset.py").read_text().splitlines()) <= 60
