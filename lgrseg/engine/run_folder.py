"""The folder of a run: what makes room for a new one, what its config was, whose labels it had."""

import contextlib
import dataclasses
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from lgrseg.checkpoint.files import replace_file
from lgrseg.config import save_config
from lgrseg.engine.settings import TrainSettings

logger = logging.getLogger("lgrseg")

OWNED = (
    "checkpoints", "eval", "tensorboard", "config.yaml", "labels.json", "log.txt", "metrics.jsonl",
    "run.json",
)  # fmt: skip
"""What a run writes; anything else in its folder is not touched."""
REPLACED = "replaced_run"
"""Where in its folder a run lies that a new one replaces, until that has its first checkpoint."""

RECORDED = ("datasets", "imports")
"""Parts of a config.yaml that say what the run found, and not how it was set."""
DEFAULTS = {field.name: field.default for field in dataclasses.fields(TrainSettings)}


def has_checkpoint(folder: Path) -> bool:
    """Whether a run in this folder can go on."""
    return any((folder / "checkpoints").glob("*.state.pt"))


@contextlib.contextmanager
def replacing_run(folder: Path) -> Iterator[None]:
    """Inside, the folder is free for a new run; the old one is set aside.

    The new run's first regular checkpoint deletes it (`forget_replaced`). Where the new one ends by
    an error without any checkpoint, the old one is put back.
    """
    set_aside(folder)
    try:
        yield
    except BaseException:
        if not has_checkpoint(folder):
            put_back(folder)
        elif (folder / REPLACED).is_dir():
            logger.info("the run that was to be replaced is still in %s", folder / REPLACED)
        raise


def set_aside(folder: Path) -> None:
    """Move a run out of the way.

    Where one is aside already, the new run that replaced it never had a regular checkpoint: that
    one is deleted instead.
    """
    aside = folder / REPLACED
    if aside.is_dir():
        clear_run(folder)
        return
    present = [name for name in OWNED if _exists(folder / name)]
    if not present:
        return
    aside.mkdir()
    try:
        for name in present:
            (folder / name).rename(aside / name)
    except OSError:  # another file system is mounted at one of them
        for path in aside.iterdir():
            path.rename(folder / path.name)
        aside.rmdir()
        raise


def put_back(folder: Path) -> None:
    """Undo `set_aside`; what the new run wrote is deleted."""
    aside = folder / REPLACED
    if not aside.is_dir():
        return
    clear_run(folder)
    for path in aside.iterdir():
        path.rename(folder / path.name)
    aside.rmdir()
    logger.warning("no checkpoint was written yet: the earlier run is back in %s", folder)


def forget_replaced(folder: Path) -> None:
    """Delete the run that was set aside, where there is one."""
    if (folder / REPLACED).is_dir():
        clear_run(folder / REPLACED)
        with contextlib.suppress(OSError):  # somebody keeps something of his own in it
            (folder / REPLACED).rmdir()


def clear_run(folder: Path) -> None:
    """Delete what a run wrote into a folder, and nothing else."""
    for name in OWNED:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def write_config(cfg: DictConfig, folder: Path) -> None:
    """Write config.yaml, whole or not at all."""
    replace_file(folder / "config.yaml", lambda path: save_config(cfg, path))


def write_labels(summary: dict, folder: Path) -> None:
    """Write labels.json: which patients were trained on with their labels, which without."""
    text = json.dumps(summary, indent=1)
    replace_file(folder / "labels.json", lambda path: path.write_text(text, encoding="utf-8"))


def config_changes(cfg: DictConfig, folder: Path) -> list[str]:
    """How a config differs from the one that the folder's run was started with, a line a key.

    A setting of `train` that is left out has its default. What a saved config records beside its
    settings (`RECORDED`) counts only where both have it.

    Raises:
        ValueError: that config was damaged, so nobody knows.
    """
    file = folder / "config.yaml"
    if not file.is_file():
        return []
    try:
        # It is compared and nothing in it is called, so it may name classes of anybody.
        saved = OmegaConf.to_container(OmegaConf.load(file))
        saved["train"] = DEFAULTS | saved.get("train", {})
    except Exception as error:  # of PyYAML, of OmegaConf, of the text's encoding
        raise ValueError(f"{file} is damaged: {str(error).splitlines()[0]}") from error
    given = OmegaConf.to_container(cfg)
    given["train"] = DEFAULTS | given.get("train", {})
    for part in RECORDED:
        if part not in saved or part not in given:
            saved.pop(part, None), given.pop(part, None)
    before, now = _flat(saved), _flat(given)
    return [
        f"{key}: {before.get(key, 'not set')} -> {now.get(key, 'not set')}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]


UNIMPORTANT = (
    "train.output_dir", "train.seed", "train.num_threads", "train.device", "train.log_period",
    "train.checkpoint_period", "train.keep_checkpoints", "train.export_videos",
    "train.example_overlays", "dataloader.train.num_workers",
)  # fmt: skip
"""Settings in which runs may differ that stand in one row of a table."""


def check_settings_are_those_of(folder: Path, cfg: DictConfig) -> None:
    """Refuse a config whose results would be mixed up with those of a run that is there.

    Raises:
        ValueError: the folder holds a run of other settings, or of settings that nobody knows.
    """
    if not any(_exists(folder / name) for name in OWNED):
        return
    remedy = "name another --output, or delete it"
    if not (folder / "config.yaml").is_file():
        raise ValueError(f"{folder} has no config.yaml that says what its settings were: {remedy}")
    changes = [
        change
        for change in config_changes(cfg, folder)
        if change.partition(": ")[0] not in UNIMPORTANT
    ]
    if changes:
        more = f"; {len(changes) - 3} more" if len(changes) > 3 else ""
        raise ValueError(
            f"{folder} is a run with other settings ({'; '.join(changes[:3])}{more}): {remedy}"
        )


def _flat(node, prefix: str = "") -> dict:
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, list):
        items = enumerate(node)
    else:
        return {prefix.removesuffix("."): node}
    return {k: v for key, item in items for k, v in _flat(item, f"{prefix}{key}.").items()}
