"""One run as rows of a table: its cost, its scores and the paths of its files."""

import json
import logging
from pathlib import Path

import torch

from lgrseg.config import load_config, without_weights
from lgrseg.engine.writers import read_metrics
from lgrseg.layers.complexity import count
from lgrseg.modeling.building import build_model
from lgrseg.reporting.label_tables import label_cells
from lgrseg.reporting.tables import RunRow, num_scored, show, with_interval

logger = logging.getLogger("lgrseg")


def rows_of_run(run: Path) -> list[RunRow]:
    """A row for every dataset that a run was evaluated on; none without a results.json."""
    cost = _cost(run / "config.yaml")
    rows = []
    for file in sorted(run.glob("eval/*/results.json")):
        results = json.loads(file.read_text(encoding="utf-8"))
        cells = (
            cost.get(results["dataset"], {"GFLOPs a clip": "-", "parameters (M)": "-"})
            | _scores(results)
            | _speed(results, run)
            | _files(run, file.parent)
        )
        rows.append(RunRow(results["dataset"], run.resolve().name, cells))
    return rows


def _scores(results: dict) -> dict[str, str]:
    if results.get("task") == "classification":
        return label_cells(results)
    unit = results.get("distance_unit", "px")
    mean = results["mean"]
    classes = {
        f"Dice {name.replace('_', ' ')}": show(scores["dice"])
        for name, scores in results["classes"].items()
    }
    heart = (results.get("heart") or {}).get("agreement", {}).get("ejection_fraction")
    return classes | {
        "Dice [95% CI]": with_interval(mean["dice"], results["dice_ci95"], num_scored(results)),
        "mIoU": show(mean["iou"]),
        f"HD95 ({unit})": show(mean.get("hd95"), 2),
        "missed": show(mean.get("missed"), 0),
        "EF error (%)": show(heart["mae"], 1) if heart else "-",
        "EF missing": show(heart.get("missing"), 0) if heart else "-",
        "patients": str(results["num_patients"]),
    }


def _cost(config: Path) -> dict[str, dict[str, str]]:
    """Test dataset -> FLOPs of one of its clips, and the number of parameters."""
    if not config.is_file():
        return {}
    found = {}
    try:
        cfg = load_config(config)
        cfg.model = without_weights(cfg.model)  # their files may be gone
        model = build_model(cfg, device="cpu").eval().deployed()
        for name, loader in cfg.dataloader.test.items():
            mapper = loader.mapper
            num_frames = mapper.frame_sampler.get("num_frames") or 2
            frames = torch.zeros(num_frames, 1, *mapper.input_size)
            parameters, gflops = count(model, frames)["all"]
            size = " x ".join(map(str, (num_frames, *mapper.input_size)))
            found[name] = {
                "GFLOPs a clip": f"{gflops:.1f} ({size})",
                "parameters (M)": f"{parameters / 1e6:.2f}",
            }
    except (ImportError, KeyError, TypeError, ValueError) as error:
        logger.warning("%s: no FLOPs and parameters: %s", config, error)
    return found


def _speed(results: dict, run: Path) -> dict[str, str]:
    """Frames a second at test, and the largest memory of the training."""
    seconds, frames = results.get("seconds_per_clip"), results.get("frames_per_clip")
    rate = frames / seconds if seconds and frames else None
    peaks = [line["peak_memory_mib"] for line in read_metrics(run) if "peak_memory_mib" in line]
    return {
        "frames a second": show(rate, 1),
        "training memory (MiB)": show(max(peaks, default=None), 0),
    }


def _files(run: Path, folder: Path) -> dict[str, str]:
    files = {
        "log": run / "log.txt",
        "checkpoint": run / "checkpoints" / "last.safetensors",
        "video": next(iter(sorted(folder.glob("videos/*.mp4"))), run / "none"),
    }
    return {name: path.as_posix() if path.is_file() else "-" for name, path in files.items()}
