"""One run of a comparison: costs, training, evaluation, and its record on disk.

Its folder is <output>/fraction_<share>/<row>/seed_<n>. comparison.json is written last: if it
exists, the run is finished. comparison_start.json is written first, so that a stopped run can only
be resumed with the same encoder.
"""

import json
import logging
import os
import re
import statistics
import time
from pathlib import Path

import torch
from omegaconf import DictConfig

from lgrseg.comm.processes import pick_device
from lgrseg.config import instantiate
from lgrseg.engine.logs import log_to_file
from lgrseg.engine.run_folder import config_changes
from lgrseg.engine.trainer import DefaultTrainer
from lgrseg.engine.writers import peak_memory_mib
from lgrseg.layers.complexity import count, trained_share
from lgrseg.studies.comparison.cached import CachedTrainer
from lgrseg.studies.comparison.prepared import Prepared

logger = logging.getLogger("lgrseg")

RECORD, START = "comparison.json", "comparison_start.json"
NUM_PREDICTIONS = 5


def run_folder(output: Path, prepared: Prepared, fraction: float, seed: int) -> Path:
    """Folder of a run."""
    return output / f"fraction_{fraction:g}" / prepared.row.name / f"seed_{seed}"


def config_of_run(prepared: Prepared, folder: Path, fraction: float, seed: int) -> DictConfig:
    """Config of a run; its labelled patients do not depend on the seed."""
    cfg = prepared.cfg.copy()
    cfg.train.output_dir = str(folder)
    cfg.train.seed = seed
    cfg.dataloader.train.label_fraction = fraction
    return cfg


def finished(prepared: Prepared, cfg: DictConfig, precision: str = "float32") -> bool:
    """Check whether this run is finished; False if it is new or to be resumed.

    The paths of the run and of the encoder's weights may have changed.

    Raises:
        ValueError: it was started with other settings, weights or precision of features, so its
            scores cannot be compared with those of this comparison.
    """
    folder = Path(cfg.train.output_dir)
    done = (folder / RECORD).is_file()
    if not done and not any((folder / "checkpoints").glob("*.state.pt")):
        return False
    file = folder / (RECORD if done else START)
    recorded = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    changes = _changes(recorded, _properties(prepared, precision), config_changes(cfg, folder))
    if changes:
        raise ValueError(
            f"{folder} was {'done' if done else 'begun'} with other settings "
            f"({'; '.join(changes[:3])}): choose another --output, or delete it"
        )
    return done


_UNIMPORTANT = (
    "train.output_dir",
    "train.num_threads",
    "train.device",
    "dataloader.train.num_workers",
)


def _properties(prepared: Prepared, precision: str) -> dict:
    """Properties of a run besides its config."""
    return {
        "encoder_sha256": prepared.encoder_hash,
        "random_frozen": prepared.random_frozen,
        "precision": precision if prepared.is_cached else None,
    }


def _changes(recorded: dict, now: dict, of_config: list[str]) -> list[str]:
    """Describe the important changes; the recorded properties may be incomplete."""
    comparable = {key: value for key, value in now.items() if key in recorded}
    differs = {key for key, value in comparable.items() if recorded[key] != value}
    changes = [text for text in of_config if not text.startswith(_UNIMPORTANT)]
    if comparable.get("encoder_sha256") and not differs & {"encoder_sha256", "random_frozen"}:
        # The weights are the same, although their path may differ.
        of_encoder = re.compile(r"model\.backbone\.encoder\.(\w+\.)*weights: ")
        changes = [text for text in changes if not of_encoder.match(text)]
    if "precision" in differs:
        precisions = [properties["precision"] or "not kept" for properties in (recorded, now)]
        changes.insert(0, f"--precision of features: {precisions[0]} -> {precisions[1]}")
    if "encoder_sha256" in differs:
        changes.insert(0, "the encoder's weights are others")
    return changes


def read_record(folder: Path) -> dict:
    """Read the record of a finished run."""
    return json.loads((folder / RECORD).read_text(encoding="utf-8"))


def run(prepared: Prepared, cfg: DictConfig, *, cache: Path, precision: str = "float32") -> None:
    """Measure costs, train and evaluate; resumes a stopped run.

    After the run, the last and the best weights are kept; states for resuming are deleted.
    """
    folder = Path(cfg.train.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    with log_to_file(folder / "log.txt"):
        # Before training, because memory of the training would count too.
        costs = measure_costs(cfg)
        trainer: DefaultTrainer
        if prepared.is_cached:
            name = prepared.features_name
            trainer = CachedTrainer(cfg, cache=cache, name=name, precision=precision)
        else:
            trainer = DefaultTrainer(cfg)
        trainer.resume_or_load(resume=True)
        properties = _properties(prepared, precision)
        _write_json(folder / START, properties)
        trainer.train()
    record = {
        "row": prepared.row.name,
        "weights": prepared.row.weights,
        "config": str(prepared.row.config) if prepared.row.config else None,
        "overrides": list(prepared.row.overrides),
        **properties,
        "blocks": prepared.blocks,
        "cached": prepared.is_cached,
        "copies": cfg.dataloader.train.mapper.get("copies"),
        "label_fraction": cfg.dataloader.train.label_fraction,
        "seed": cfg.train.seed,
        "steps": cfg.train.max_iter,
        "train_seconds": trainer.train_seconds,
        "costs": costs,
    }
    _write_json(folder / RECORD, record)
    for pattern in ("*.state.pt", "iter_*.safetensors"):
        for file in (folder / "checkpoints").glob(pattern):
            file.unlink()
    (folder / START).unlink()


def _write_json(path: Path, content: dict) -> None:
    """Write a JSON file atomically."""
    half_done = path.with_name(f".{path.name}.part")
    half_done.write_text(json.dumps(content, indent=1), encoding="utf-8")
    os.replace(half_done, path)


def measure_costs(cfg: DictConfig) -> dict:
    """Measure parameters, FLOPs, speed and memory of prediction on the first test clip.

    Returns:
        "parameters", "trained" (number of trained parameters), "gflops" (per image),
        "images_per_second" (median of 5), "memory_mib" (peak memory; on a CPU of the whole process)
        and "images" (shape of the clip). Nothing is cached.
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
    trained, parameters = trained_share(model)
    num_images = len(clip.frames)
    return {
        "parameters": parameters,
        "trained": trained,
        "gflops": parts["all"][1] / num_images,
        "images_per_second": num_images / statistics.median(seconds[1:]),
        "memory_mib": memory,
        "images": list(clip.frames.shape),
    }
