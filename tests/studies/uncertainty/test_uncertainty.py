"""Entropy of pixels against errors: measures with known values, and the command on a tiny run."""

import csv
import math

import numpy as np
import pytest
import torch
from bright_disc import CONFIG, OVERRIDES, ROOT
from conftest import square_video
from forked import run_script
from safetensors.torch import save_file

from lgrseg.config import instantiate, load_config, save_config
from lgrseg.data.catalog import DatasetCatalog, Metadata, MetadataCatalog
from lgrseg.evaluation.metrics.uncertainty import (
    auroc,
    near_contours,
    pixel_entropy,
    risk_by_coverage,
)

CLASSES = ("left_ventricle", "myocardium", "left_atrium")
SQUARES: list = []
if "uncertain_squares" not in DatasetCatalog:
    DatasetCatalog.register("uncertain_squares", lambda: list(SQUARES))
    MetadataCatalog.register("uncertain_squares", Metadata(CLASSES, ((9, 9, 9),) * 3))


def test_entropy_of_certain_and_of_undecided_pixels():
    probs = torch.tensor(
        [[0.0, 1.0, 0.25, 0.5, 1.0], [0.0, 0.0, 0.25, 0.0, 1.0], [0, 0, 0.25, 0, 0]]
    )
    found = pixel_entropy(probs).tolist()
    # Four outcomes; the last sum is 2, so it counts as two classes of one half each.
    assert found == pytest.approx([0, 0, 1, 0.5, 0.5])
    assert pixel_entropy(torch.tensor([[0.5, 0.9]])).tolist() == pytest.approx(
        [1, 0.46900], abs=1e-5
    )


def test_pixels_near_a_contour():
    labels = np.zeros((5, 12), np.uint8)
    labels[:, 6:] = 3  # border pixels are in columns 5 and 6
    near = near_contours(labels, 2.0)
    assert near.all(axis=0).tolist() == [column in range(3, 9) for column in range(12)]
    assert (near.any(axis=0) == near.all(axis=0)).all()
    assert not near_contours(np.zeros((4, 4), np.uint8), 5.0).any()


def test_the_area_under_the_roc_curve_is_that_of_sklearn():
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    rng = np.random.default_rng(0)
    for digits in (1, 8):  # with one digit, many scores are equal
        scores = rng.random(500).round(digits).astype(np.float32)
        is_positive = rng.random(500) < 0.2 + 0.5 * scores
        assert auroc(scores, is_positive) == pytest.approx(
            metrics.roc_auc_score(is_positive, scores)
        )


def test_the_area_under_the_roc_curve():
    scores = np.array([0.1, 0.4, 0.4, 0.9])
    # Pairs of a positive and a negative: 0.4 > 0.1, 0.4 = 0.4 (half), 0.9 > both.
    assert auroc(scores, np.array([False, True, False, True])) == 3.5 / 4
    assert math.isnan(auroc(scores, np.zeros(4, bool)))


def test_risk_by_coverage():
    risks = risk_by_coverage(np.array([0.3, 0.1, 0.2]), np.array([0.6, 0.0, 0.3]))
    assert risks.tolist() == pytest.approx([0.0, 0.15, 0.3])


@pytest.fixture
def run(tmp_path):
    """The folder of a U-Net that was not trained."""
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    cfg = load_config(CONFIG, OVERRIDES)
    save_config(cfg, folder / "config.yaml")
    save_file(instantiate(cfg.model).state_dict(), folder / "checkpoints" / "last.safetensors")
    return folder


def test_the_command(run, tmp_path):
    SQUARES[:] = [square_video(tmp_path / "data", f"v{k}", patient=f"p{k}") for k in range(2)]
    output = tmp_path / "out"
    tool, words = ROOT / "tools" / "uncertainty.py", [run, "--datasets", "uncertain_squares"]
    done = run_script(tool, [*words, "--output", output])
    assert done.returncode == 0, done.stderr
    with open(output / "risk_coverage.csv", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["coverage"] for line in lines] == ["0.5", "1.0"]
    with open(output / "frames.csv", encoding="utf-8") as file:
        frames = list(csv.DictReader(file))
    mean_risk = 1 - np.mean([float(frame["dice"]) for frame in frames])
    assert float(lines[-1]["risk"]) == pytest.approx(mean_risk)
    assert {p.name for p in output.iterdir()} == {
        "uncertainty.md", "frames.csv", "risk_coverage.csv",
        "risk_coverage_uncertain_squares.png", "run_uncertain_squares.png",
    }  # fmt: skip
