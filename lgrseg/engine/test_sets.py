"""Names the test datasets of a config by the datasets that they read."""

import copy
import logging
from pathlib import Path

from omegaconf import DictConfig

from lgrseg.config import ROLES
from lgrseg.data.described import know_roles

logger = logging.getLogger("lgrseg")


def name_tests_by_dataset(cfg: DictConfig) -> DictConfig:
    """Rename every loader in `dataloader.test` to the dataset that it reads.

    Classes, metrics and results use this name. So `dataloader.test.NAME.dataset=OTHER` evaluates
    OTHER and writes eval/OTHER.

    Args:
        cfg: config of a run, which is not changed.

    Raises:
        ValueError: two loaders read the same dataset.
    """
    renamed: dict[str, DictConfig] = {}
    for key, loader in cfg.dataloader.test.items():
        name = loader.get("dataset", key) if isinstance(loader, DictConfig) else key
        if name in renamed:
            raise ValueError(
                f"two loaders of dataloader.test read {name}, so their results would replace each "
                f"other: remove one of them, or set dataloader.test.{key}.dataset"
            )
        if name != key and not name.endswith(f"_{key}"):  # `val` for mine_val is no surprise
            logger.warning("dataloader.test.%s reads %s, so its results have this name", key, name)
        renamed[name] = loader
    if list(renamed) == list(cfg.dataloader.test):
        return cfg
    cfg = cfg.copy()
    cfg.dataloader.test = renamed
    return cfg


def with_test_sets(cfg: DictConfig, names: list[str]) -> DictConfig:
    """Replace the test datasets of a config.

    Args:
        cfg: config of a run, which is not changed.
        names: names of the new test datasets. A dataset that the config already tests on keeps its
            loader; the others get a copy of the first test loader.

    Returns:
        The changed copy of the config.

    Raises:
        ValueError: the config has no test loader to copy, or gives roles to classes that a dataset
            does not have.
    """
    loaders = {loader.get("dataset", key): loader for key, loader in cfg.dataloader.test.items()}
    if not loaders:
        raise ValueError(
            f"the config has no loader in dataloader.test that could read {', '.join(names)}"
        )
    first = next(iter(loaders.values()))
    chosen = {}
    for name in dict.fromkeys(names):
        chosen[name] = copy.deepcopy(loaders.get(name, first))
        chosen[name].dataset = name
    cfg = cfg.copy()
    cfg.dataloader.test = chosen
    if cfg.get(ROLES):
        know_roles(cfg, Path("--datasets"))
    return cfg
