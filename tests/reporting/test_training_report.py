"""lgrseg/reporting/training_report.py: runs without a test, such as a pretraining."""

import json

import cv2
import numpy as np
from omegaconf import OmegaConf

from lgrseg.config import load_config, save_config
from lgrseg.reporting.report import report_run
from lgrseg.reporting.training_report import grouped, write_training_report

LINES = [
    {"iteration": 0, "train_seconds": 0.0, "probe/knn_dice": 0.2, "probe/knn_dice/heart": 0.4},
    {"iteration": 10, "train_seconds": 5.0, "loss": -3.0, "mask_share_0": 0.2, "mask_share_1": 0.8},
    {"iteration": 20, "train_seconds": 9.0, "loss": -4.0, "mask_share_0": 0.3, "mask_share_1": 0.7},
    {"iteration": 20, "train_seconds": 9.0, "probe/knn_dice": 0.625, "probe/knn_dice/heart": 0.5},
]


def test_numbers_of_one_kind_share_a_plot():
    groups = grouped(LINES)
    assert list(groups) == ["loss", "mask share", "probe knn dice"]
    assert groups["loss"]["loss"].tolist() == [[10, -3], [20, -4]]
    assert list(groups["mask share"]) == ["mask_share_0", "mask_share_1"]
    assert list(groups["probe knn dice"]) == ["probe/knn_dice", "probe/knn_dice/heart"]


def test_a_run_without_a_test_shows_curves_probes_and_pictures(tmp_path):
    cfg = load_config("configs/pretraining/mae.py", [f"train.output_dir={tmp_path}"])
    save_config(cfg, tmp_path / "config.yaml")
    text = "".join(json.dumps(line) + "\n" for line in LINES)
    (tmp_path / "metrics.jsonl").write_text(text, encoding="utf-8")
    (tmp_path / "pictures").mkdir()
    for iteration in range(0, 100, 10):
        picture = np.full((4, 4, 3), iteration, np.uint8)
        cv2.imwrite(str(tmp_path / "pictures" / f"probe_{iteration:06d}.png"), picture)
    report_run(None, cfg)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "0.625" in page and "after 20 iterations" in page
    assert "Probes of the frozen encoder" in page and page.count("<svg class=plot") == 3
    shown = [n for n in range(0, 100, 10) if f"<h3>probe, iteration {n}</h3>" in page]
    assert shown == [0, 30, 60, 90] and page.count("data:image/png;base64,") == 4
    assert "224 x 224 pixels" in page  # of the frames, not of labelled clips, which are not used


def test_a_run_that_has_just_begun(tmp_path):
    save_config(OmegaConf.create({"train": {"seed": 0}}), tmp_path / "config.yaml")
    page = write_training_report(tmp_path).read_text(encoding="utf-8")
    assert "A training without a test" in page and "<svg" not in page and "Pictures" not in page
