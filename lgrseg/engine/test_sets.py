"""Names the test datasets of a config by the datasets that they read."""

import logging

from omegaconf import DictConfig

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
        if name != key:
            logger.warning("dataloader.test.%s reads %s: scored under that name", key, name)
        renamed[name] = loader
    if list(renamed) == list(cfg.dataloader.test):
        return cfg
    cfg = cfg.copy()
    cfg.dataloader.test = renamed
    return cfg
