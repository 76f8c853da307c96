"""The test datasets of a config: each is scored under its own name."""

import logging

from omegaconf import DictConfig

logger = logging.getLogger("lgrseg")


def name_tests_by_dataset(cfg: DictConfig) -> DictConfig:
    """The config with every loader of `dataloader.test` under the name of the dataset it reads.

    Classes, metrics and results follow that name, so scores of another dataset must not go under
    it: `dataloader.test.NAME.dataset=OTHER` scores OTHER, and writes eval/OTHER.

    Args:
        cfg: of a run; it is not changed.

    Raises:
        ValueError: two loaders read one dataset.
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
