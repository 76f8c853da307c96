"""Builds the loaders of labelled, unlabelled and test batches. streams.py defines the samples."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch.utils.data import DataLoader

from lgrseg.data.catalog import DatasetCatalog
from lgrseg.data.images.stream import ImageStream, open_source
from lgrseg.data.label_protocol import divide_labels
from lgrseg.data.mappers.views import LocalGlobalMapper, RandomFrameMapper
from lgrseg.data.paired import PairedFrames
from lgrseg.data.record import VideoRecord
from lgrseg.data.streams import ClipDataset, TestDataset, UnlabelledDataset
from lgrseg.data.train_loader import TrainLoader
from lgrseg.data.unpaired import UnpairedFrames


@dataclass
class Unlabelled:
    """Settings of the unlabelled videos, for `build_train_loader`."""

    mapper: object
    """Mapper of views.py, from a record to its views."""
    batch_size: int
    """Number of videos per process and iteration."""
    datasets: list[str] | tuple[str, ...] = ()
    """Names of datasets whose videos are used without their annotations."""
    training_videos: bool = True
    """Whether the videos of the training set are used as well."""
    num_videos: int | None = None
    """Largest number M of videos (see `divide_labels`); None for all."""


def build_train_loader(
    *,
    dataset: str | list[str],
    mapper,
    batch_size: int,
    num_workers: int = 0,
    label_fraction: float = 1.0,
    num_labelled: int | None = None,
    label_seed: int = 0,
    unlabelled: Unlabelled | None = None,
    early_mapper=None,
    early_iterations: int = 0,
    seed: int = 0,
) -> TrainLoader:
    """Build the training loader of one or several registered datasets.

    Args:
        dataset: name of the dataset, or several names.
        mapper: function from a record to a sample.
        batch_size: number of labelled clips per process and iteration; 0 trains without labels.
        num_workers: number of worker processes; 0 reads in this process.
        label_fraction: share of the patients whose labels are used, see `divide_labels`.
        num_labelled: largest number N of labelled videos; None for all.
        label_seed: seed of the patients' order; it is separate from `seed`, so that runs with
            different seeds use the same labels.
        unlabelled: settings of unlabelled videos; None for none.
        early_mapper: mapper of labelled clips in the first iterations, such as one with smaller
            frames; None for `mapper`.
        early_iterations: number of batches per process for which `early_mapper` is used.
        seed: seed of the order of clips and of the augmentation.
    """
    names = [dataset] if isinstance(dataset, str) else list(dataset)
    additional = _records(unlabelled.datasets if unlabelled else ())
    protocol = divide_labels(
        _records(names),
        additional,
        fraction=label_fraction,
        num_labelled=num_labelled,
        num_unlabelled=unlabelled.num_videos if unlabelled else None,
        only_more=unlabelled is not None and not unlabelled.training_videos,
        seed=label_seed,
    )
    if not batch_size:  # so that labels.json lists no labels
        protocol = replace(protocol, labelled=[], fraction=0.0)
    clips = views = early = None
    if batch_size:
        clips = ClipDataset(records=protocol.labelled, mapper=mapper, seed=seed)
    if batch_size and early_mapper is not None:
        early = ClipDataset(records=protocol.labelled, mapper=early_mapper, seed=seed)
    if unlabelled and unlabelled.batch_size:
        views = UnlabelledDataset(records=protocol.unlabelled, mapper=unlabelled.mapper, seed=seed)
    return TrainLoader(
        dataset=clips,
        batch_size=batch_size,
        num_workers=num_workers,
        unlabelled=views,
        unlabelled_batch_size=unlabelled.batch_size if unlabelled else 0,
        protocol=protocol,
        early=early,
        early_iterations=early_iterations if batch_size else 0,
    )


def build_unpaired_loader(
    *,
    dataset: str,
    other: str,
    size: tuple[int, int],
    batch_size: int = 1,
    scale: tuple[float, float] = (0.8, 1.0),
    augmentations: Sequence = (),
    num_workers: int = 0,
    seed: int = 0,
) -> TrainLoader:
    """Build the training loader of frames of two styles, without labels and without pairs.

    Args:
        dataset: style A: name of a dataset, or folder of images.
        other: style B, in the same way.
        size: (height, width) of the frames in pixels.
        batch_size: number of frames of each style per process and iteration.
        scale: smallest and largest share of a frame's area that is shown, 0 to 1.
        augmentations: augmentations of each frame; they should not change the style.
        num_workers: number of worker processes; 0 reads in this process.
        seed: seed of the run.

    Raises:
        FileNotFoundError: a dataset is not prepared.
        ValueError: a source is unknown or has no frame.
    """
    frames = UnpairedFrames(
        dataset=dataset,
        other=other,
        size=size,
        scale=scale,
        augmentations=augmentations,
        seed=seed,
    )
    return TrainLoader(
        dataset=None,
        batch_size=0,
        num_workers=num_workers,
        unlabelled=frames,
        unlabelled_batch_size=batch_size,
    )


def build_paired_loader(
    *,
    dataset: str,
    size: tuple[int, int],
    poor: str | None = None,
    degradations: Sequence = (),
    batch_size: int = 4,
    scale: tuple[float, float] = (0.5, 1.0),
    num_workers: int = 0,
    seed: int = 0,
) -> TrainLoader:
    """Build the training loader of pairs of a poor and a good frame of one scene.

    Args:
        dataset: good frames: name of a dataset, or folder of images.
        size: (height, width) of the frames in pixels.
        poor: poor frames, in the same way, with the names of the good ones; or None.
        degradations: augmentations that make poor frames of the good ones; or none.
        batch_size: number of pairs per process and iteration.
        scale: smallest and largest share of a frame's area that is shown, 0 to 1.
        num_workers: number of worker processes; 0 reads in this process.
        seed: seed of the run.

    Raises:
        FileNotFoundError: a dataset is not prepared.
        ValueError: a source is unknown or has no frame, or a frame has no partner.
    """
    pairs = PairedFrames(
        dataset=dataset, poor=poor, degradations=degradations, size=size, scale=scale, seed=seed
    )
    return TrainLoader(
        dataset=None,
        batch_size=0,
        num_workers=num_workers,
        unlabelled=pairs,
        unlabelled_batch_size=batch_size,
    )


def build_image_loader(
    *,
    source: str,
    mapper: RandomFrameMapper | LocalGlobalMapper,
    batch_size: int,
    num_workers: int = 0,
    balance: str = "none",
    seed: int = 0,
) -> TrainLoader:
    """Build the training loader of images and clips without labels.

    Args:
        source: folder or URL of images and clips, .csv list of them, or folder or URL of shards.
        mapper: mapper from a frame to its views.
        batch_size: number of frames per process and iteration.
        num_workers: number of worker processes; 0 reads in this process.
        balance: "none", "video", "organ" or "organ+video", see `ImageTree`.
        seed: seed of the run.

    Raises:
        FileNotFoundError: the source does not exist, or has no image.
        ValueError: a setting is not possible, or a list or index is damaged.
    """
    stream = ImageStream(source=open_source(source, balance=balance), mapper=mapper, seed=seed)
    return TrainLoader(
        dataset=None,
        batch_size=0,
        num_workers=num_workers,
        unlabelled=stream,
        unlabelled_batch_size=batch_size,
    )


def _records(names: Sequence[str]) -> list[VideoRecord]:
    return [record for name in names for record in DatasetCatalog.get(name)]


def build_test_loader(*, dataset: str, mapper, num_workers: int = 0) -> DataLoader:
    """Build a loader of batches [(record, anchor, clip, targets)] of size 1, in order."""
    clips = ClipDataset(records=DatasetCatalog.get(dataset), mapper=mapper)
    return DataLoader(
        TestDataset(samples=clips.samples, mapper=mapper),
        batch_size=1,
        num_workers=num_workers,
        collate_fn=list,
    )
