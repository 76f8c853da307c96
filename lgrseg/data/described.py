"""The datasets of a run as its config keeps them, so that the run is of use where they are unknown.

imports: [my_project.data]      # the modules that register datasets of one's own
datasets:
  my_val: {classes: [left_ventricle], colors: [[255, 0, 0]]}
"""

import copy
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from lgrseg.config.lazy import AFTER_LOADING, DATASETS
from lgrseg.config.targets import IMPORTS
from lgrseg.data.catalog import DatasetCatalog, Metadata, MetadataCatalog


def describe_datasets(cfg: DictConfig) -> DictConfig:
    """A copy of a config that lists its datasets' classes, and the modules that register them.

    Args:
        cfg: as `load_config` gives it; a dataset that nobody knows is left out.
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
    """Names of all datasets that a config trains and tests on, each once."""
    loaders = OmegaConf.to_container(cfg.dataloader, resolve=True)
    train = loaders.get("train") or {}
    unlabelled = (train.get("unlabelled") or {}).get("datasets") or []
    tested = [loader.get("dataset") for loader in (loaders.get("test") or {}).values()]
    names = [*_as_list(train.get("dataset")), *_as_list(unlabelled), *tested]
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def know_datasets(described: dict, path: Path) -> None:
    """Let the catalog know the classes of datasets that a config describes.

    Args:
        described: dataset -> {"classes": names, "colors": RGB of each}.
        path: the config's file, for messages.

    Raises:
        ValueError: it is not of this form.
    """
    for name, facts in described.items():
        try:
            classes = tuple(str(found) for found in facts["classes"])
            colors = tuple((int(r), int(g), int(b)) for r, g, b in facts["colors"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}: {DATASETS}.{name} lists classes, and of each its color as [R, G, B]; "
                f"it is {facts!r}"
            ) from error
        if len(classes) != len(colors):
            raise ValueError(
                f"{path}: {DATASETS}.{name} has {len(classes)} classes and {len(colors)} colors"
            )
        MetadataCatalog.describe(name, Metadata(classes=classes, colors=colors))


def _know_datasets_of(cfg: DictConfig, path: Path) -> None:
    if DATASETS in cfg:
        know_datasets(OmegaConf.to_container(cfg[DATASETS]), path)


AFTER_LOADING.append(_know_datasets_of)


def _as_list(names) -> list:
    return [] if names is None else [names] if isinstance(names, str) else list(names)
