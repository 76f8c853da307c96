"""Names of datasets: a function that lists the videos, and the facts that every video shares."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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
