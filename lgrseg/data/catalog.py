"""Registries of datasets by name: a function that lists the videos, and shared metadata."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any, Generic, TypeVar

from lgrseg.config.suggestions import nearest
from lgrseg.data.folds import Fold
from lgrseg.data.own_store import has_part, read_facts, records_of_part, store_of
from lgrseg.data.record import VideoRecord


@dataclass(frozen=True)
class Metadata:
    """Metadata of all videos of a dataset."""

    classes: tuple[str, ...]
    """Names of the classes; class k has value k + 1 in the stored masks."""
    colors: tuple[tuple[int, int, int], ...]
    """RGB colour of every class, 0 to 255."""
    source: str = ""
    """Source of the data, its licence, and what to cite."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """Role, such as left_ventricle -> its class; needed if the class has another name."""


Entry = TypeVar("Entry")


class _Catalog(Generic[Entry]):
    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._homes: dict[str, str | None] = {}

    def register(self, name: str, entry: Entry) -> None:
        """Add one entry; every name can be registered only once."""
        if name in self._entries:
            raise ValueError(f"dataset {name!r} is registered already")
        self._entries[name] = entry
        self._homes[name] = _calling_module()

    def list(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._entries)

    def __contains__(self, name: str) -> bool:
        """Whether a name is that of a registered dataset, a fold, or a prepared folder of clips."""
        if name in self._entries:
            return True
        if fold := Fold.parse(name):
            return f"{fold.dataset}_train" in self
        return store_of(name, data_root()) is not None

    def home(self, name: str) -> str | None:
        """The module that registered a dataset; None for this project and for scripts."""
        return self._homes.get(name)

    def _find(self, name: str) -> Entry:
        if name not in self._entries:
            raise ValueError(
                f"no dataset is called {name!r}; the nearest are "
                f"{', '.join(nearest(str(name), self._entries))}. To use a dataset of your own, "
                "import the module that registers it: --import MODULE, or imports = "
                '["MODULE"] in the config; one that tools/prepare_dataset.py folder has prepared '
                f"must be in {data_root()} (LGRSEG_DATASETS)"
            )
        return self._entries[name]


class _DatasetCatalog(_Catalog[Callable[[], list[VideoRecord]]]):
    def register(self, name: str, entry: Callable[[], list[VideoRecord]]) -> None:
        """Add a function that lists the records; it is called when the dataset is used."""
        super().register(name, entry)

    def get(self, name: str) -> list[VideoRecord]:
        """The records of a dataset.

        Raises:
            ValueError: the name is not registered.
            FileNotFoundError: the dataset is not prepared.
            TypeError: the registered function does not return a list of VideoRecord.
        """
        if name not in self._entries and (fold := Fold.parse(name)):
            is_unlabelled = fold.part == "unlabelled"
            unlabelled = self.get(f"{fold.dataset}_unlabelled") if is_unlabelled else []
            return fold.select(self._with_labels(fold.dataset), unlabelled)
        if name not in self._entries and (store_and_part := store_of(name, data_root())):
            return records_of_part(*store_and_part)
        return _checked(self._find(name)(), name)

    def _with_labels(self, dataset: str) -> list[VideoRecord]:
        """The records of NAME_train, and of NAME_val if there is such a part."""
        records = self.get(f"{dataset}_train")
        name = f"{dataset}_val"
        store_and_part = None if name in self._entries else store_of(name, data_root())
        if name in self._entries or (store_and_part and has_part(*store_and_part)):
            records = records + self.get(name)
        return records


def _checked(records: object, name: str) -> list[VideoRecord]:
    """The records as they are, if they are a list of VideoRecord; else TypeError."""
    if not isinstance(records, list):
        returned = f"a {type(records).__name__}"
    elif others := [record for record in records if not isinstance(record, VideoRecord)]:
        returned = f"a list with a {type(others[0]).__name__}"
    else:
        return records
    raise TypeError(
        f"dataset {name!r}: the function that lists its records returned {returned}, but a list of "
        "VideoRecord is needed. Read prepared videos with lgrseg.data.store.read_records(folder), "
        "or make each record with lgrseg.data.VideoRecord(video_id=..., ...)"
    )


class _MetadataCatalog(_Catalog[Metadata]):
    def __init__(self) -> None:
        super().__init__()
        self._described: dict[str, Metadata] = {}

    def describe(self, name: str, metadata: Metadata) -> None:
        """Add a description from a run's config; for registered names, only its roles are used."""
        self._described[name] = metadata

    def __contains__(self, name: str) -> bool:
        return name in self._described or super().__contains__(name)

    def get(self, name: str) -> Metadata:
        """The metadata of a dataset.

        Raises:
            ValueError: the name is unknown, or a run's config describes other classes than the
                prepared dataset has now.
        """
        described = self._described.get(name)
        if name not in self._entries and described is None and (fold := Fold.parse(name)):
            return self.get(f"{fold.dataset}_train")
        if name in self._entries:
            metadata = self._entries[name]
            if described is None or described.classes != metadata.classes:
                return metadata
            return replace(metadata, roles=described.roles or metadata.roles)
        if store_and_part := store_of(name, data_root()):
            metadata = Metadata(**read_facts(store_and_part[0]))
            if described is None or described.classes == metadata.classes:
                return described or metadata
            raise ValueError(
                f"{name} has the classes {', '.join(metadata.classes)} in {store_and_part[0]}, but "
                f"{', '.join(described.classes)} in the config, so the values in its masks differ. "
                "Train again, or prepare the dataset with the earlier classes.yaml"
            )
        return described or self._find(name)


def _calling_module() -> str | None:
    """The importable module outside this package that is calling; None for a script."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("lgrseg."):
        frame = frame.f_back
    if frame is None:
        return None
    name = frame.f_globals.get("__name__", "")
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
