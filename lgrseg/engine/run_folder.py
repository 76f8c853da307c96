"""The folder of a run: replacing a run, its config, and its labelled patients."""

import contextlib
import dataclasses
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lgrseg.checkpoint.files import replace_file
from lgrseg.config import as_dict, save_config
from lgrseg.engine.settings import TrainSettings

logger = logging.getLogger("lgrseg")

OWNED = (
    "checkpoints", "eval", "tensorboard", "config.yaml", "labels.json", "log.txt", "metrics.jsonl",
    "run.json",
)  # fmt: skip
"""Files that a run writes; other files in its folder are not changed."""
REPLACED = "replaced_run"
"""Subfolder of a run that a new one replaces, until the new one has its first checkpoint."""

RECORDED = ("datasets", "imports")
"""Parts of a config.yaml that are recorded by the run and are not settings."""
DEFAULTS = {field.name: field.default for field in dataclasses.fields(TrainSettings)}


def has_checkpoint(folder: Path) -> bool:
    """True if the folder has a state or weights of a run, which a new run would replace."""
    names = [path.name for path in (folder / "checkpoints").glob("*")]
    return any(name.endswith((".state.pt", ".safetensors")) for name in names if name[0] != ".")


@contextlib.contextmanager
def replacing_run(folder: Path) -> Iterator[None]:
    """Context in which the folder is free for a new run; the old run is set aside.

    The new run's first regular checkpoint deletes the old run (`forget_replaced`). If the new run
    fails before its first checkpoint, the old run is restored.
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
    """Move a run to a subfolder.

    If another run is already set aside, the present run never had a regular checkpoint, so the
    present run is deleted instead.
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
    """Undo `set_aside`, and delete the files of the new run."""
    aside = folder / REPLACED
    if not aside.is_dir():
        return
    clear_run(folder)
    for path in aside.iterdir():
        path.rename(folder / path.name)
    aside.rmdir()
    logger.warning("no checkpoint was written yet: the earlier run is back in %s", folder)


def forget_replaced(folder: Path) -> None:
    """Delete the run that was set aside, if there is one."""
    if (folder / REPLACED).is_dir():
        clear_run(folder / REPLACED)
        with contextlib.suppress(OSError):  # the folder has other files
            (folder / REPLACED).rmdir()


def clear_run(folder: Path) -> None:
    """Delete the files of a run in a folder, and no other files."""
    for name in OWNED:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def write_config(cfg: DictConfig, folder: Path) -> None:
    """Write config.yaml atomically."""
    replace_file(folder / "config.yaml", lambda path: save_config(cfg, path))


def write_labels(summary: dict, folder: Path) -> None:
    """Write labels.json: the patients that were used with and without their labels."""
    text = json.dumps(summary, indent=1)
    replace_file(folder / "labels.json", lambda path: path.write_text(text, encoding="utf-8"))


def config_changes(cfg: DictConfig, folder: Path) -> list[str]:
    """Differences between a config and that of the folder's run, one line per key.

    Missing settings of `train` have their defaults. Recorded parts of a saved config (`RECORDED`)
    are compared only if both configs have them.

    Raises:
        ValueError: the saved config is damaged.
    """
    file = folder / "config.yaml"
    if not file.is_file():
        return []
    try:
        # The config is only compared and never built, so it need not be trusted.
        loaded = OmegaConf.load(file)
        if not isinstance(loaded, DictConfig):
            raise TypeError("it has a list, not the parts of a config")
        saved = as_dict(loaded)
        saved["train"] = DEFAULTS | saved.get("train", {})
    except Exception as error:  # of PyYAML, of OmegaConf, of the text's encoding
        raise ValueError(f"{file} is damaged: {str(error).splitlines()[0]}") from error
    present = as_dict(cfg)
    present["train"] = DEFAULTS | present.get("train", {})
    for part in RECORDED:
        if part not in saved or part not in present:
            saved.pop(part, None), present.pop(part, None)
    saved_values, now = _flat(saved), _flat(present)
    return [
        f"{key}: {saved_values.get(key, 'not set')} -> {now.get(key, 'not set')}"
        for key in sorted(saved_values.keys() | now.keys())
        if saved_values.get(key) != now.get(key)
    ]


UNIMPORTANT = (
    "train.output_dir", "train.seed", "train.num_threads", "train.device", "train.log_period",
    "train.checkpoint_period", "train.keep_checkpoints", "train.export_videos",
    "train.example_overlays", "dataloader.train.num_workers",
)  # fmt: skip
"""Settings in which runs of one table row may differ."""


def check_settings_are_those_of(folder: Path, cfg: DictConfig) -> None:
    """Raise an error if the folder has a run with other settings.

    Raises:
        ValueError: the folder has a run with other or unknown settings.
    """
    if not any(_exists(folder / name) for name in OWNED):
        return
    remedy = "choose another --output, or delete this folder"
    if not (folder / "config.yaml").is_file():
        raise ValueError(
            f"{folder} has a run without config.yaml, so its settings are unknown: {remedy}"
        )
    changes = [
        change
        for change in config_changes(cfg, folder)
        if change.partition(": ")[0] not in UNIMPORTANT
    ]
    if changes:
        more = f"; {len(changes) - 3} more" if len(changes) > 3 else ""
        raise ValueError(
            f"{folder} has a run with other settings ({'; '.join(changes[:3])}{more}): {remedy}"
        )


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(node, list):
        node = dict(enumerate(node))
    if not isinstance(node, dict):
        return {prefix.removesuffix("."): node}
    return {k: v for key, item in node.items() for k, v in _flat(item, f"{prefix}{key}.").items()}


def folder_of_run(config_file: str | Path, output_dir: str) -> str:
    """Find the folder of a run, which may have been moved or copied.

    Args:
        config_file: config of the command.
        output_dir: `train.output_dir` of this config.

    Returns:
        The folder of `config_file`, if it is the config.yaml of a run with checkpoints; otherwise
        `output_dir`.
    """
    folder = Path(config_file).parent
    is_run = Path(config_file).name == "config.yaml" and has_checkpoint(folder)
    if not is_run or folder.resolve() == Path(output_dir).resolve():
        return output_dir
    logger.info("the run was moved or copied: its folder is %s, not %s", folder, output_dir)
    return str(folder)
