"""Registers your own dataset under a name."""

from collections.abc import Callable, Sequence
from pathlib import Path

from lgrseg.data.catalog import DatasetCatalog, Metadata, MetadataCatalog
from lgrseg.data.class_list import COLORS
from lgrseg.data.record import VideoRecord
from lgrseg.data.store import read_records

Color = tuple[int, int, int]


def register_dataset(
    name: str,
    records: str | Path | Callable[[], list[VideoRecord]],
    *,
    classes: Sequence[str],
    colors: Sequence[Color] | None = None,
    source: str = "",
) -> None:
    """Let configs, loaders and evaluators find a dataset by its name.

        from lgrseg.data import DatasetCatalog, MetadataCatalog, register_dataset

        register_dataset("mine_val", "datasets/mine_val", classes=["left_ventricle", "left_atrium"])
        MetadataCatalog.get("mine_val").classes      # ("left_ventricle", "left_atrium")
        DatasetCatalog.get("mine_val")               # the records of the prepared videos

    No file is read until the dataset is used.

    Args:
        name: name of the dataset; it must not be registered yet.
        records: folder of prepared videos, or a function that returns the list of their
            `VideoRecord`s.
        classes: names of the structures; class k is value k + 1 in the masks.
        colors: red, green and blue of every class, from 0 to 255; by default the colours of a
            `classes.yaml` that lists none.
        source: origin of the data, its licence, and what to cite.

    Raises:
        ValueError: the name is registered already, there is no class, two classes have the same
            name, or the numbers of colors and classes differ.
    """
    if isinstance(classes, str) or not classes or len(set(classes)) != len(classes):
        raise ValueError(f"dataset {name!r}: classes={classes!r} must be a list of different names")
    classes = tuple(classes)
    if colors is None:
        colors = [COLORS[k % len(COLORS)] for k in range(len(classes))]
    if len(colors) != len(classes):
        raise ValueError(f"dataset {name!r} has {len(classes)} classes and {len(colors)} colors")
    metadata = Metadata(classes, tuple((r, g, b) for r, g, b in colors), source=source)
    list_records = records if callable(records) else _folder_reader(Path(records), name)
    DatasetCatalog.register(name, list_records)
    MetadataCatalog.register(name, metadata)


def _folder_reader(folder: Path, name: str) -> Callable[[], list[VideoRecord]]:
    remedy = f"Prepare {name} with tools/prepare_dataset.py"
    return lambda: read_records(folder, how_to_get=remedy)
