"""Checks a config before the model is built, so that mistakes are found early."""

from collections.abc import Callable

from omegaconf import DictConfig

from lgrseg.config import PARTS
from lgrseg.inference.windows import window_of


def check_parts(cfg: DictConfig) -> None:
    """Raise an error if a part of a run is missing in the config.

    Raises:
        ValueError: a part is missing or has no settings, or training has no data.
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
    """Build all test loaders and evaluators, to find misspelt or empty test datasets early.

    Args:
        cfg: complete config.
        build_loader: function from (cfg, name) to the loader of a test dataset.
        build_evaluator: function from (cfg, name) to the evaluator of a test dataset.

    Raises:
        ValueError: a dataset does not exist, none of its videos is annotated, or the windows are
            missing for the export of whole videos.
        FileNotFoundError: a dataset is not prepared.
    """
    for name, described in cfg.dataloader.test.items():
        build_loader(cfg, name)
        build_evaluator(cfg, name)
        if cfg.train.get("export_videos") and "mapper" in described:
            window_of(described.mapper)
