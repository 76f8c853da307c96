"""Facts on a run: model, config, commit, date and command, from the files of its folder."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from omegaconf import OmegaConf

from lgrseg.engine.run_record import read_commands

UNKNOWN = "not recorded (the run is older than run.json)"
NO_CHECKOUT = "installed package, no git checkout"


@dataclass(frozen=True)
class Fact:
    """One fact on a run, as the report shows it."""

    name: str
    value: str
    long: bool = False
    """True if the value needs a line of its own."""
    code: bool = False
    """True if the value is shown as code."""


def facts_of_run(run: Path, lines: list[dict]) -> list[Fact]:
    """Facts that are needed to repeat the run.

    Args:
        run: folder of the run.
        lines: lines of its metrics.jsonl.
    """
    commands = read_commands(run)
    trained = [entry for entry in commands if entry["task"] != "evaluate"]
    newest = commands[-1] if commands else {}
    first = trained[0] if trained else {}
    return [
        Fact("Run", run.resolve().name),
        *_settings(run / "config.yaml", newest.get("num_parameters")),
        Fact("Training", _training(first, run / "log.txt", lines)),
        *_code(first),
        *_evaluation(newest),
    ]


def _code(entry: dict) -> list[Fact]:
    if not entry:
        return [Fact("Commit and command", UNKNOWN)]
    return [
        Fact("Commit", entry["commit"] or NO_CHECKOUT),
        Fact("Command", entry["command"], long=True, code=True),
    ]


def config_text(run: Path) -> str:
    """Text of the run's config.yaml; empty without one."""
    file = run / "config.yaml"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _settings(config: Path, num_parameters: int | None) -> Iterator[Fact]:
    """Facts on model and training from the config; missing keys are left out."""
    if not config.is_file():
        return
    cfg = OmegaConf.load(config)  # only read; nothing in it is instantiated
    model = _name(cfg, "model")
    if backbone := _encoder(cfg) or _name(cfg, "model.backbone"):
        model += f" with {backbone}"
    if num_parameters:
        model += f", {num_parameters / 1e6:.1f} million parameters"
    clips = "dataloader.train"
    if _select(cfg, f"{clips}.batch_size") == 0:  # a pretraining, without labelled clips
        clips += ".unlabelled"
    sizes = (_select(cfg, f"{clips}.mapper.{name}") for name in ("input_size", "size"))
    shown = {
        "Model": model,
        "Trained on": _select(cfg, "dataloader.train.dataset"),
        "Input size": _size(next(filter(None, sizes), None)),
        "Batch size": _select(cfg, f"{clips}.batch_size"),
        "Optimizer": _name(cfg, "optimizer").removeprefix("build_"),
        "Learning rate": _select(cfg, "optimizer.lr"),
        "Seed": _select(cfg, "train.seed"),
    }
    yield from (Fact(name, str(value)) for name, value in shown.items() if value not in (None, ""))


def _encoder(cfg) -> str | None:
    """Name of the backbone's pretrained encoder, which a tuning function may wrap."""
    keys = ("model.backbone.encoder.name", "model.backbone.encoder.encoder.name")
    return next((name for key in keys if (name := _select(cfg, key))), None)


def _select(cfg, key: str):
    return OmegaConf.select(cfg, key, throw_on_missing=False)


def _name(cfg, key: str) -> str:
    return str(_select(cfg, f"{key}._target_") or "").rpartition(".")[2]


def _size(size) -> str:
    return " x ".join(map(str, size)) + " pixels" if size else ""


def _training(entry: dict, log: Path, lines: list[dict]) -> str:
    words = [_date(entry["date"])] if entry else _date_of_log(log)
    if lines:
        words.append(f"{lines[-1]['iteration']} iterations")
        words.append(f"{lines[-1]['train_seconds'] / 60:.1f} minutes")
    if entry:
        words.append(f"{entry['num_processes']} x {entry['device']}, torch {entry['torch']}")
    return ", ".join(words) or UNKNOWN


def _date_of_log(log: Path) -> list[str]:
    """Date at the beginning of the log's first line; empty without one."""
    if not log.is_file():
        return []
    with log.open(encoding="utf-8", errors="replace") as file:
        return re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d", file.readline())


def _evaluation(entry: dict) -> list[Fact]:
    """Facts on the last command, if it evaluated the finished run."""
    if entry.get("task") != "evaluate":
        return []
    commit = f"commit {entry['commit']}" if entry["commit"] else NO_CHECKOUT
    return [
        Fact("Evaluated", f"{_date(entry['date'])}, {commit}, {entry['device']}", long=True),
        Fact("Evaluation command", entry["command"], long=True, code=True),
    ]


def _date(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M")
