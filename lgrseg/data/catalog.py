"""Names of datasets: a function that lists the videos, and the facts that every video shares."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lgrseg.config import did_you_mean


@dataclass(frozen=True)
class Metadata:
    """What holds for all videos of a dataset."""

    classes: tuple[str, ...]
    """Names of the structures; class k is value k + 1 in the stored masks."""
    colors: tuple[tuple[int, int, int], ...]
    """RGB, 0 to 255, one a class."""
    source: str = ""
    """Where to get it, under which licence, and what to cite."""


class _Catalog:
    def __init__(self, kind: str):
        self._kind = kind
        self._entries: dict = {}

    def register(self, name: str, entry) -> None:
        """Add one entry; a name can be taken once."""
        if name in self._entries:
            raise ValueError(f"{self._kind} {name!r} is registered already")
        self._entries[name] = entry

    def list(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._entries)

    def _find(self, name: str):
        if name not in self._entries:
            raise ValueError(
                f"no {self._kind} is called {name!r}{did_you_mean(name, self._entries)}; "
                f"there are: {', '.join(self.list())}"
            )
        return self._entries[name]


class _DatasetCatalog(_Catalog):
    def register(self, name: str, entry: Callable[[], list[dict]]) -> None:
        """Add a function that lists records; it is called only when the dataset is asked for."""
        super().register(name, entry)

    def get(self, name: str) -> list[dict]:
        """The records of a dataset (lgrseg/data/store.py says what a record is).

        Raises:
            ValueError: no such name.
            FileNotFoundError: the dataset has not been prepared.
        """
        return self._find(name)()


class _MetadataCatalog(_Catalog):
    def get(self, name: str) -> Metadata:
        """The facts of a dataset; ValueError for an unknown name."""
        return self._find(name)


DatasetCatalog = _DatasetCatalog("dataset")
MetadataCatalog = _MetadataCatalog("dataset")


def data_root() -> Path:
    """The folder of the prepared datasets: LGRSEG_DATASETS, or `datasets` where you stand."""
    return Path(os.environ.get("LGRSEG_DATASETS", "datasets"))


def classes_by_dataset(dataloader: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Classes of the data sets that a config's `dataloader` trains with labels and tests on.

    Raises:
        ValueError: no data set has such a name.
    """
    train, test = dataloader.get("train") or {}, dataloader.get("test") or {}
    datasets = [loader.get("dataset") for loader in test.values()]
    if train.get("batch_size") != 0:  # with 0 no label is looked at
        datasets.append(train.get("dataset"))
    names: list[str] = []
    for one_or_several in datasets:
        names += [one_or_several] if isinstance(one_or_several, str) else one_or_several or []
    return {name: MetadataCatalog.get(name).classes for name in names}
