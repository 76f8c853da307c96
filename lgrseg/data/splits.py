"""Datasets whose records have their split in the entry "split"."""

import functools

from lgrseg.data.catalog import DatasetCatalog, Metadata, MetadataCatalog, data_root
from lgrseg.data.record import VideoRecord
from lgrseg.data.store import read_records


def register_splits(name: str, splits, metadata: Metadata, *, how_to_get: str) -> None:
    """Register NAME_SPLIT in the catalog for every split; no file is read."""
    for split in splits:
        lister = functools.partial(records_of, name, split, how_to_get=how_to_get)
        DatasetCatalog.register(f"{name}_{split}", lister)
        MetadataCatalog.register(f"{name}_{split}", metadata)


def records_of(name: str, split: str, *, how_to_get: str) -> list[VideoRecord]:
    """Records of one split of a prepared dataset.

    Raises:
        FileNotFoundError: the dataset, or this split, is not prepared.
    """
    root = data_root() / name
    records = read_records(root, how_to_get=how_to_get)
    in_split = [record for record in records if record.split == split]
    if not in_split:
        raise FileNotFoundError(f"{root} has no video of part {split!r}. {how_to_get}")
    return in_split
