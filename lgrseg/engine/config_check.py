"""A config is looked through before a model is built, so that no mistake costs a training."""

from collections.abc import Callable

from omegaconf import DictConfig

from lgrseg.config import PARTS
from lgrseg.inference.windows import window_of


def check_parts(cfg: DictConfig) -> None:
    """Refuse a config without one of the parts of a run.

    Raises:
        ValueError: a part is missing or holds no settings, or training has no data.
    """
    for part in PARTS:
        if not isinstance(cfg.get(part), DictConfig):
            stated = f"{part} is {cfg[part]!r}" if part in cfg else f"there is no {part}"
            raise ValueError(f"a config of a run has the parts {', '.join(PARTS)}; {stated}")
    for part in ("train", "test"):
        if not isinstance(cfg.dataloader.get(part), DictConfig):
            raise ValueError(
                f"dataloader.{part} is {cfg.dataloader.get(part)!r}; it describes a loader for "
                + ("training" if part == "train" else "each test dataset, by its name; {} for none")
            )


def check_test_datasets(
    cfg: DictConfig, *, build_loader: Callable, build_evaluator: Callable
) -> None:
    """Build what evaluates, so that a misspelt or empty test dataset is found at once.

    Args:
        cfg: the whole config.
        build_loader: from (cfg, name) to the loader of a test dataset.
        build_evaluator: likewise, to its evaluator.

    Raises:
        ValueError: no such dataset, none of its videos is annotated, or whole videos are to be
            exported and nothing says in which windows.
        FileNotFoundError: it is not prepared.
    """
    for name, described in cfg.dataloader.test.items():
        build_loader(cfg, name)
        build_evaluator(cfg, name)
        if cfg.train.get("export_videos") and "mapper" in described:
            window_of(described.mapper)
