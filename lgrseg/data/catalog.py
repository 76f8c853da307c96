"""Registries of datasets by name: a function that lists the videos, and shared metadata."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lgrseg.config.lazy import DATASETS, DESCRIBED
from lgrseg.config.suggestions import nearest


@dataclass(frozen=True)
class Metadata:
    """Metadata of all videos of a dataset."""

    classes: tuple[str, ...]
    """Names of the classes; class k has value k + 1 in the stored masks."""
    colors: tuple[tuple[int, int, int], ...]
    """RGB colour of every class, 0 to 255."""
    source: str = ""
    """Source, licence and citation of the dataset."""


class _Catalog:
    def __init__(self):
        self._entries: dict = {}
        self._homes: dict[str, str | None] = {}

    def register(self, name: str, entry) -> None:
        """Add one entry; every name can be registered only once."""
        if name in self._entries:
            raise ValueError(f"dataset {name!r} is registered already")
        self._entries[name] = entry
        self._homes[name] = _calling_module()

    def list(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._entries)

    def home(self, name: str) -> str | None:
        """The module that registered a dataset; None for this project and for scripts."""
        return self._homes.get(name)

    def _find(self, name: str):
        if name not in self._entries:
            raise ValueError(
                f"no dataset is called {name!r}; the nearest are "
                f"{', '.join(nearest(str(name), self._entries))}. A dataset of your own is known "
                "once the module that registers it is imported: --import MODULE, or imports = "
                '["MODULE"] in the config'
            )
        return self._entries[name]


class _DatasetCatalog(_Catalog):
    def register(self, name: str, entry: Callable[[], list[dict]]) -> None:
        """Add a function that lists records; it is called when the dataset is used."""
        super().register(name, entry)

    def get(self, name: str) -> list[dict]:
        """The records of a dataset (lgrseg/data/store.py says what a record is).

        Raises:
            ValueError: the name is not registered.
            FileNotFoundError: the dataset is not prepared.
        """
        return self._find(name)()


class _MetadataCatalog(_Catalog):
    def get(self, name: str) -> Metadata:
        """Metadata of a dataset: registered, or described in the config of a run.

        Raises:
            ValueError: the name is not registered, or the config's description is invalid.
        """
        if name not in self._entries and name in DESCRIBED:
            description, path = DESCRIBED[name]
            return described_metadata(name, description, path)
        return self._find(name)


def described_metadata(name: str, facts: Any, path: Path) -> Metadata:
    """Read the description of a dataset in a config (written by lgrseg/data/described.py).

    Args:
        name: name of the dataset.
        facts: description {"classes": names, "colors": RGB colour of each class}.
        path: file of the config, for messages.

    Raises:
        ValueError: the description does not have this form.
    """
    try:
        classes = tuple(str(name) for name in facts["classes"])
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
    return Metadata(classes=classes, colors=colors)


def _calling_module() -> str | None:
    """The importable module outside this package that is calling; None for a script."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("lgrseg."):
        frame = frame.f_back
    name = frame.f_globals.get("__name__", "") if frame is not None else ""
    module = sys.modules.get(name)
    is_module = module is not None and vars(module) is frame.f_globals
    # The import system calls a module of this package; a script cannot be imported.
    return name if is_module and name != "__main__" and "importlib" not in name else None


DatasetCatalog = _DatasetCatalog()
MetadataCatalog = _MetadataCatalog()


def data_root() -> Path:
    """Folder of the prepared datasets: LGRSEG_DATASETS, or `datasets` in the current folder."""
    return Path(os.environ.get("LGRSEG_DATASETS", "datasets"))


def classes_by_dataset(dataloader: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Classes of the datasets that a config's `dataloader` uses for supervised training and tests.

    Raises:
        ValueError: a dataset is not registered.
    """
    train, test = dataloader.get("train") or {}, dataloader.get("test") or {}
    datasets = [loader.get("dataset") for loader in test.values()]
    if train.get("batch_size") != 0:  # with 0 no labels are used
        datasets.append(train.get("dataset"))
    names: list[str] = []
    for one_or_several in datasets:
        names += [one_or_several] if isinstance(one_or_several, str) else one_or_several or []
    return {name: MetadataCatalog.get(name).classes for name in names}
