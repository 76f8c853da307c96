"""One run of a comparison: what it costs, its training and evaluation, and its record on disk.

It lies in <output>/fraction_<share>/<row>/seed_<n>. Its comparison.json is written last: where it
is, the run is finished.
"""

import json
import logging
import os
import statistics
import time
from pathlib import Path

import torch
from omegaconf import DictConfig

from lgrseg.comparison.cached import CachedTrainer
from lgrseg.comparison.rows import Prepared
from lgrseg.config import instantiate
from lgrseg.engine.distributed import pick_device
from lgrseg.engine.run_folder import config_changes
from lgrseg.engine.trainer import DefaultTrainer
from lgrseg.engine.writers import log_to_file, peak_memory_mib
from lgrseg.modeling.complexity import count

logger = logging.getLogger("lgrseg")

RECORD = "comparison.json"
NUM_PREDICTIONS = 5


def run_folder(output: Path, prepared: Prepared, fraction: float, seed: int) -> Path:
    """Where a run lies."""
    return output / f"fraction_{fraction:g}" / prepared.row.name / f"seed_{seed}"


def config_of_run(prepared: Prepared, folder: Path, fraction: float, seed: int) -> DictConfig:
    """The config of a run; labels are of the same patients whatever its seed."""
    cfg = prepared.cfg.copy()
    cfg.train.output_dir = str(folder)
    cfg.train.seed = seed
    cfg.dataloader.train.label_fraction = fraction
    return cfg


def finished(prepared: Prepared, cfg: DictConfig) -> bool:
    """Whether this run was done before.

    Raises:
        ValueError: it was, but with other settings or other weights, so that its scores may not
            stand beside those of this comparison.
    """
    folder = Path(cfg.train.output_dir)
    if not (folder / RECORD).is_file():
        return False
    changes = [text for text in config_changes(cfg, folder) if not text.startswith(_UNIMPORTANT)]
    if read_record(folder)["encoder_sha256"] != prepared.encoder_hash:
        changes.append("the encoder's weights are others")
    if changes:
        raise ValueError(
            f"{folder} was done with other settings ({'; '.join(changes[:3])}): name another "
            "--output, or delete it"
        )
    return True


_UNIMPORTANT = ("train.num_threads", "train.device", "dataloader.train.num_workers")


def read_record(folder: Path) -> dict:
    """What a finished run says of itself."""
    return json.loads((folder / RECORD).read_text(encoding="utf-8"))


def run(prepared: Prepared, cfg: DictConfig, *, cache: Path, precision: str = "float32") -> None:
    """Measure, train and evaluate; go on where it was stopped.

    Of a finished run's checkpoints the last and the best weights stay; what only serves to go on is
    deleted.
    """
    folder = Path(cfg.train.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    with log_to_file(folder / "log.txt"):
        costs = measure_costs(cfg)  # before training, whose memory would count too
        kept = prepared.encoder_hash is not None
        if kept:
            name = prepared.features_name
            trainer = CachedTrainer(cfg, cache=cache, name=name, precision=precision)
        else:
            trainer = DefaultTrainer(cfg)
        trainer.resume_or_load(resume=True)
        trainer.train()
    record = {
        "row": prepared.row.name,
        "weights": prepared.row.weights,
        "config": str(prepared.row.config) if prepared.row.config else None,
        "encoder_sha256": prepared.encoder_hash,
        "random_frozen": prepared.random_frozen,
        "cached": kept,
        "precision": precision if kept else None,
        "copies": cfg.dataloader.train.mapper.copies,
        "label_fraction": cfg.dataloader.train.label_fraction,
        "seed": cfg.train.seed,
        "steps": cfg.train.max_iter,
        "train_seconds": trainer.train_seconds,
        "costs": costs,
    }
    half_done = folder / f".{RECORD}.part"
    half_done.write_text(json.dumps(record, indent=1), encoding="utf-8")
    os.replace(half_done, folder / RECORD)
    for pattern in ("*.state.pt", "iter_*.safetensors"):
        for file in (folder / "checkpoints").glob(pattern):
            file.unlink()


def measure_costs(cfg: DictConfig) -> dict:
    """Parameters, FLOPs, speed and memory of prediction, on the first test clip, nothing cached.

    Returns:
        "parameters", "trained" (of them), "gflops" an image, "images_per_second" (median of 5),
        "memory_mib": the most that was held until then, on a CPU by the whole process, "images"
        (shape of the clip).
    """
    device = pick_device(cfg.train.device)
    model = instantiate(cfg.model).eval().to(device)
    name = next(iter(cfg.dataloader.test))
    ((_, _, clip, _),) = next(iter(instantiate(cfg.dataloader.test[name])))
    clip = clip.to(device)
    seconds = []
    with torch.inference_mode():
        for _ in range(1 + NUM_PREDICTIONS):
            begin = time.perf_counter()
            model([clip])
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds.append(time.perf_counter() - begin)
    memory = peak_memory_mib(device)
    parts = count(model, clip.frames)
    num_images = len(clip.frames)
    return {
        "parameters": parts["all"][0],
        "trained": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "gflops": parts["all"][1] / num_images,
        "images_per_second": num_images / statistics.median(seconds[1:]),
        "memory_mib": memory,
        "images": list(clip.frames.shape),
    }
