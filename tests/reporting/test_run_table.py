"""The project's first table: one row for every kind of model, from the files of its run."""

import json
from pathlib import Path

import pytest

from lgrseg.config import load_config, save_config
from lgrseg.reporting.run_table import rows_of_run

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = "dataloader.test.phantom_demo_test.mapper.input_size=[64,64]"
KINDS = {
    "BASIC with HTS and LGSD": ["lgrnet/demo.py", "method=hts+lgsd", SMALL],
    "BOX-SAM2": ["box_sam2/demo.py", "model.sam.size=64", SMALL],
    "AR-SEG": ["ar_seg/next_scale.py", "dataset=phantom_demo", SMALL],
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_fills_the_table(kind, tmp_path):
    """AR-SEG's tokenizer is a file that is gone; BOX-SAM2 needs boxes to be counted."""
    file, *overrides = KINDS[kind]
    cfg = load_config(CONFIGS / file, overrides)
    del cfg.dataloader.test["phantom_demo_val"]
    save_config(cfg, tmp_path / "config.yaml")
    folder = tmp_path / "eval" / "phantom_demo_test"
    (folder / "videos").mkdir(parents=True)
    results = {
        "dataset": "phantom_demo_test",
        "classes": {"left_ventricle": {"dice": 0.9}},
        "mean": {"dice": 0.9, "iou": 0.82, "hd95": 4.25, "missed": 0},
        "dice_ci95": [0.8, 1.0],
        "num_patients": 3,
        "patients": {name: {"left_ventricle": 0.9} for name in "abc"},
        "seconds_per_clip": 0.5,
        "frames_per_clip": 11.0,
    }
    (folder / "results.json").write_text(json.dumps(results))
    line = {"iteration": 5, "peak_memory_mib": 812}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(line))
    (tmp_path / "checkpoints").mkdir()
    for name in ("log.txt", "checkpoints/last.safetensors"):
        (tmp_path / name).touch()
    (folder / "videos" / "a.mp4").touch()
    (row,) = rows_of_run(tmp_path)
    wanted = ["GFLOPs a clip", "parameters (M)", "mIoU", "HD95 (px)", "frames a second"]
    wanted += ["training memory (MiB)", "log", "checkpoint", "video"]
    assert [name for name in wanted if row.cells[name] == "-"] == []
    assert float(row.cells["GFLOPs a clip"].split()[0]) > 0
    assert row.cells["video"].endswith("videos/a.mp4")
