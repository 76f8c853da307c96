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
                f"two loaders of dataloader.test read {name}, and their scores would replace each "
                f"other; leave one of them out, or set dataloader.test.{key}.dataset"
            )
        if name != key and not name.endswith(f"_{key}"):  # of mine_val, `val` says no less
            logger.warning("dataloader.test.%s reads %s: scored under that name", key, name)
        renamed[name] = loader
    if list(renamed) == list(cfg.dataloader.test):
        return cfg
    cfg = cfg.copy()
    cfg.dataloader.test = renamed
    return cfg


def with_test_sets(cfg: DictConfig, names: list[str]) -> DictConfig:
    """The config with these test datasets instead of its own.

    Args:
        cfg: config of a run; it is not changed.
        names: datasets. One that the config tests on keeps its loader; others are read as the
            first test dataset is.

    Raises:
        ValueError: the config tests on nothing, so that nothing says how to read a dataset, or it
            gives roles to classes that a dataset does not have.
    """
    loaders = {loader.get("dataset", key): loader for key, loader in cfg.dataloader.test.items()}
    if not loaders:
        raise ValueError(
            f"the config has no dataloader.test, which says how {', '.join(names)} would be read"
        )
    first = next(iter(loaders.values()))
    asked = {}
    for name in dict.fromkeys(names):
        asked[name] = copy.deepcopy(loaders.get(name, first))
        asked[name].dataset = name
    cfg = cfg.copy()
    cfg.dataloader.test = asked
    if cfg.get(ROLES):
        know_roles(cfg, Path("--datasets"))
    return cfg
