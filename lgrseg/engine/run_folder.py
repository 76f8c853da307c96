"""The folder of a run: what is deleted to start anew, what its config was, whose labels it had."""

import json
import shutil
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

OWNED = (
    "checkpoints", "eval", "tensorboard", "config.yaml", "labels.json", "log.txt", "metrics.jsonl",
)  # fmt: skip
"""What a run writes; anything else in its folder is not touched."""


def clear_run(folder: Path) -> None:
    """Delete what a run wrote into a folder, and nothing else."""
    for name in OWNED:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def write_labels(summary: dict, folder: Path) -> None:
    """Write labels.json: which patients were trained on with their labels, which without."""
    (folder / "labels.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")


def config_changes(cfg: DictConfig, folder: Path) -> list[str]:
    """How a config differs from the one that the folder's run was started with, a line a key."""
    file = folder / "config.yaml"
    if not file.is_file():
        return []
    before, now = (
        _flat(OmegaConf.to_container(OmegaConf.load(file))),
        _flat(OmegaConf.to_container(cfg)),
    )
    return [
        f"{key}: {before.get(key, 'not set')} -> {now.get(key, 'not set')}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]


def _flat(node, prefix: str = "") -> dict:
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, list):
        items = enumerate(node)
    else:
        return {prefix.removesuffix("."): node}
    return {k: v for key, item in items for k, v in _flat(item, f"{prefix}{key}.").items()}
