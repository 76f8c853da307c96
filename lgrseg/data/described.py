"""Stores the description of a run's datasets in its config, so that the run can be used elsewhere.

imports: [my_project.data]      # modules that register other datasets
datasets:
  my_val: {classes: [lv_cavity], colors: [[255, 0, 0]], roles: {left_ventricle: lv_cavity}}
roles: {left_ventricle: lv_cavity}      # the same for all datasets of the config
"""

import copy
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from lgrseg.config.lazy import AFTER_LOADING, DATASETS
from lgrseg.config.plain import as_dict
from lgrseg.config.python_files import (
    DATASET,
    DATASETS_FOLDER,
    OWN_CLIPS,
    ROLES,
    shipped_configs,
)
from lgrseg.config.suggestions import did_you_mean
from lgrseg.config.targets import IMPORTS
from lgrseg.data.catalog import DatasetCatalog, Metadata, MetadataCatalog, data_root
from lgrseg.data.class_list import check_roles
from lgrseg.data.folds import Fold
from lgrseg.data.own_store import has_part, store_of


def describe_datasets(cfg: DictConfig) -> DictConfig:
    """Copy a config, with the classes of its datasets and the modules that register them.

    Args:
        cfg: config from `load_config`; unknown datasets are left out.
    """
    names = dataset_names(cfg)
    homes = [catalog.home(n) for n in names for catalog in (DatasetCatalog, MetadataCatalog)]
    described = as_dict(cfg.get(DATASETS) or DictConfig({}))
    for name in names:
        if name in MetadataCatalog:
            metadata = MetadataCatalog.get(name)
            colors = [list(color) for color in metadata.colors]
            described[name] = {"classes": list(metadata.classes), "colors": colors}
            if metadata.roles:
                described[name]["roles"] = dict(metadata.roles)
    cfg = copy.deepcopy(cfg)
    if imports := list(dict.fromkeys([*cfg.get(IMPORTS, ()), *filter(None, homes)])):
        cfg[IMPORTS] = imports
    if described:
        cfg[DATASETS] = described
    return cfg


def dataset_names(cfg: DictConfig) -> list[str]:
    """Names of all datasets in a config's training and tests, without repeats."""
    loaders = as_dict(cfg.dataloader, resolve=True)
    train = loaders.get("train") or {}
    unlabelled = (train.get("unlabelled") or {}).get("datasets") or []
    tested = [loader.get("dataset") for loader in (loaders.get("test") or {}).values()]
    names = [*_as_list(train.get("dataset")), *_as_list(unlabelled), *tested]
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def know_datasets(described: dict, path: Path) -> None:
    """Add the classes of datasets that a config describes to the catalog.

    Args:
        described: dataset -> {"classes": names, "colors": RGB of each, "roles": role -> class}.
        path: the config's file, for messages.

    Raises:
        ValueError: a description does not have this form.
    """
    for name, facts in described.items():
        try:
            classes = tuple(str(class_name) for class_name in facts["classes"])
            colors = tuple((int(r), int(g), int(b)) for r, g, b in facts["colors"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}: {DATASETS}.{name} must have classes, and one color [R, G, B] for each; "
                f"it is {facts!r}"
            ) from error
        if len(classes) != len(colors):
            raise ValueError(
                f"{path}: {DATASETS}.{name} has {len(classes)} classes and {len(colors)} colors"
            )
        roles = dict(facts.get("roles") or {})
        try:
            check_roles(roles, classes)
        except ValueError as error:
            raise ValueError(f"{path}: {DATASETS}.{name}: {error}") from error
        MetadataCatalog.describe(name, Metadata(classes=classes, colors=colors, roles=roles))


def know_roles(cfg: DictConfig, path: Path) -> None:
    """Tell the catalog which class of a config's datasets is which chamber.

    Args:
        cfg: config with the part `roles`: role -> class.
        path: the config's file, for messages.

    Raises:
        ValueError: a role is unknown, or a dataset does not have the class of a role.
    """
    if not isinstance(cfg[ROLES], DictConfig):
        raise ValueError(
            f"{path}: {ROLES} must be {{left_ventricle: NAME OF A CLASS}}, not {cfg[ROLES]!r}"
        )
    roles = as_dict(cfg[ROLES])
    for name in filter(MetadataCatalog.__contains__, dataset_names(cfg)):
        metadata = MetadataCatalog.get(name)
        try:
            check_roles(roles, metadata.classes)
        except ValueError as error:
            raise ValueError(f"{path}: {ROLES} of {name}: {error}") from error
        MetadataCatalog.describe(name, replace(metadata, roles=dict(metadata.roles) | roles))


def unlabelled_parts(dataset: str) -> list[str]:
    """The videos without labels that belong to a training set: NAME_unlabelled of NAME_train.

    Args:
        dataset: name of the training set.

    Returns:
        The name of the unlabelled part, or nothing if the catalog has none.
    """
    part = f"{dataset.removesuffix('_train')}_unlabelled"
    if fold := Fold.parse(part):
        has_any = unlabelled_parts(f"{fold.dataset}_train") and DatasetCatalog.get(part)
        return [part] if has_any else []
    if part in DatasetCatalog.list():
        return [part]
    store_and_part = store_of(part, data_root())
    return [part] if store_and_part and has_part(*store_and_part) else []


def num_classes_of(dataset: str) -> str:
    """Text for a config that stands for the number of classes of a dataset.

    The number is found when it is used, so the dataset may be chosen later.

    Args:
        dataset: name of the dataset, such as "${dataset}_train".
    """
    return f"${{num_classes:{dataset}}}"


OmegaConf.register_new_resolver(
    "num_classes", lambda dataset: len(MetadataCatalog.get(dataset).classes), replace=True
)


def check_dataset(cfg: DictConfig) -> None:
    """Raise a ValueError if a Python config names a dataset that is not registered.

    Args:
        cfg: config whose `dataset` was chosen on the command line.
    """
    name = cfg.get(DATASET)
    of_train = as_dict(cfg).get("dataloader", {}).get("train", {}).get("dataset")
    if not name or of_train != f"${{{DATASET}}}_train" or f"{name}_train" in DatasetCatalog:
        return
    files = sorted((shipped_configs() / DATASETS_FOLDER).glob("*.py"))
    names = [file.stem for file in files if file.name != OWN_CLIPS]
    raise ValueError(
        f"no dataset is called {name!r}. It can be one of configs/{DATASETS_FOLDER} "
        f"({', '.join(names)}), a folder in {data_root()} (LGRSEG_DATASETS) that "
        "tools/prepare_dataset.py folder has prepared, or one that a module registers (--import "
        f"MODULE){did_you_mean(name, names)}"
    )


def know_config(cfg: DictConfig, path: Path) -> None:
    """Add what a config states about its datasets to the catalog: classes, colors, roles.

    Raises:
        ValueError: the descriptions or the roles do not have the right form, or a chosen dataset is
            unknown.
    """
    if path.suffix == ".py":
        check_dataset(cfg)
    if DATASETS in cfg:
        know_datasets(as_dict(cfg[DATASETS]), path)
    if cfg.get(ROLES):
        know_roles(cfg, path)


AFTER_LOADING.append(know_config)


def _as_list(names) -> list:
    return [] if names is None else [names] if isinstance(names, str) else list(names)
