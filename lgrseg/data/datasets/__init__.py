"""The datasets. Importing this module registers their names in the catalog, and reads no file.

To add a dataset, write a module with `find_videos(raw) -> (videos, problems)` that registers its
names in the catalog, and call `register_raw_dataset("mine", module)`. Then
`tools/prepare_dataset.py mine --import my_module` prepares it.
"""

from lgrseg.config import did_you_mean
from lgrseg.data.catalog import MetadataCatalog
from lgrseg.data.datasets import (
    camus,
    cardiac_udc,
    echonet_dynamic,
    phantom,
    phantom_apical,
    stills,
    video_folders,
)
from lgrseg.data.datasets.base import RawDataset

RAW: dict[str, RawDataset] = {
    "camus": camus,
    "cardiac_udc": cardiac_udc,
    "echonet_dynamic": echonet_dynamic,
    "phantom_apical": phantom_apical,
    "phantom_demo": phantom.PhantomSource("demo"),
    "phantom_study": phantom.PhantomSource("study"),
    "sun_seg": video_folders.SUN_SEG,
    "ufuv": video_folders.UFUV,
    "youtube_vos": video_folders.YOUTUBE_VOS,
    **{dataset.name: dataset for dataset in stills.DATASETS},
}
"""Name -> raw dataset that tools/prepare_dataset.py can prepare."""


def register_raw_dataset(name: str, dataset: RawDataset) -> None:
    """Let tools/prepare_dataset.py prepare a dataset of your own.

    Args:
        name: name of the dataset on the command line; its names in the catalog are `name`, or
            begin with `name` and "_", such as mine_train.
        dataset: module or object with the functions of `RawDataset` (base.py); `generate(raw)` and
            `finish(raw, out)` are called if it has them.

    Raises:
        ValueError: the name is registered already, or the dataset cannot list its videos.
    """
    if name in RAW:
        raise ValueError(f"raw dataset {name!r} is registered already")
    if not isinstance(dataset, RawDataset):
        raise ValueError(f"the raw dataset {name!r} needs a function find_videos(raw)")
    RAW[name] = dataset


def raw_dataset(name: str) -> RawDataset:
    """The dataset with this name; ValueError if it is unknown."""
    if name not in RAW:
        raise ValueError(
            f"no raw dataset is called {name!r}{did_you_mean(name, RAW)}; there are: "
            f"{', '.join(sorted(RAW))}, and those that a module given to --import registers"
        )
    return RAW[name]


def classes_of(name: str) -> tuple[str, ...]:
    """The classes of a raw dataset, as registered in the catalog for NAME or NAME_<split>.

    Raises:
        ValueError: none of its names is registered.
    """
    names = [n for n in MetadataCatalog.list() if n == name or n.startswith(f"{name}_")]
    if not names:
        raise ValueError(
            f"the classes of {name!r} are not known: register {name}_train and so on, for example "
            "with lgrseg.data.splits.register_splits"
        )
    return MetadataCatalog.get(names[0]).classes
