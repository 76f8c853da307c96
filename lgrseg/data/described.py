"""Stores the description of a run's datasets in its config, so that the run can be used elsewhere.

imports: [my_project.data]      # modules that register other datasets
datasets:
  my_val: {classes: [left_ventricle], colors: [[255, 0, 0]]}
"""

import copy

from omegaconf import DictConfig, OmegaConf

from lgrseg.config import DATASETS
from lgrseg.config.targets import IMPORTS
from lgrseg.data.catalog import DatasetCatalog, MetadataCatalog


def describe_datasets(cfg: DictConfig) -> DictConfig:
    """Copy a config, with the classes of its datasets and the modules that register them.

    Args:
        cfg: config from `load_config`; unknown datasets are left out.
    """
    names = dataset_names(cfg)
    homes = [catalog.home(n) for n in names for catalog in (DatasetCatalog, MetadataCatalog)]
    described = OmegaConf.to_container(cfg.get(DATASETS, OmegaConf.create({})))
    for name in names:
        if name in MetadataCatalog.list():
            metadata = MetadataCatalog.get(name)
            colors = [list(color) for color in metadata.colors]
            described[name] = {"classes": list(metadata.classes), "colors": colors}
    cfg = copy.deepcopy(cfg)
    if imports := list(dict.fromkeys([*cfg.get(IMPORTS, ()), *filter(None, homes)])):
        cfg[IMPORTS] = imports
    if described:
        cfg[DATASETS] = described
    return cfg


def dataset_names(cfg: DictConfig) -> list[str]:
    """Names of all datasets in a config's training and tests, without repeats."""
    loaders = OmegaConf.to_container(cfg.dataloader, resolve=True)
    train = loaders.get("train") or {}
    unlabelled = (train.get("unlabelled") or {}).get("datasets") or []
    tested = [loader.get("dataset") for loader in (loaders.get("test") or {}).values()]
    names = [*_as_list(train.get("dataset")), *_as_list(unlabelled), *tested]
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def _as_list(names) -> list:
    return [] if names is None else [names] if isinstance(names, str) else list(names)
