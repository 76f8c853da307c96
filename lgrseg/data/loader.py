"""Loaders of labelled, unlabelled and test batches. streams.py defines the samples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from torch.utils.data import DataLoader, Dataset

from lgrseg.comm.processes import get_rank, get_world_size
from lgrseg.data.catalog import DatasetCatalog
from lgrseg.data.images.stream import ImageStream, open_source
from lgrseg.data.label_protocol import LabelProtocol, divide_labels
from lgrseg.data.mappers.views import RandomFrameMapper
from lgrseg.data.record import VideoRecord
from lgrseg.data.streams import ClipDataset, TestDataset, UnlabelledDataset
from lgrseg.data.unpaired import UnpairedFrames
from lgrseg.structures import UnlabelledViews

ViewStream = UnlabelledDataset | UnpairedFrames | ImageStream
Stream = ClipDataset | ViewStream


class TrainLoader:
    """Yields endless batches for this process, starting at any iteration.

    A batch is (list of clips, list of targets), or with unlabelled videos (list of clips, list of
    targets, list of UnlabelledViews).
    """

    def __init__(
        self,
        *,
        dataset: ClipDataset | None,
        batch_size: int,
        num_workers: int = 0,
        unlabelled: ViewStream | None = None,
        unlabelled_batch_size: int = 0,
        protocol: LabelProtocol | None = None,
        early: ClipDataset | None = None,
        early_iterations: int = 0,
    ):
        """Set up the loader.

        Args:
            dataset: labelled clips; None for training without labels.
            batch_size: number of labelled clips per process and iteration.
            num_workers: number of worker processes; 0 reads in this process.
            unlabelled: videos without labels; None for none.
            unlabelled_batch_size: number of unlabelled videos per process and iteration.
            protocol: division into labelled and unlabelled videos, for labels.json of the run.
            early: replaces `dataset` in the first iterations; the same clips, such as smaller ones.
            early_iterations: number of batches per process that are made from `early`.

        Raises:
            ValueError: a batch would be empty, or a batch size does not match the datasets.
        """
        if early_iterations < 0 or (early_iterations and early is None):
            raise ValueError(
                f"early_iterations={early_iterations}: it must be 0 or more, and 0 without an "
                "early_mapper"
            )
        self._streams: list[Stream | None] = [dataset, unlabelled, early]
        self._sizes = [batch_size, unlabelled_batch_size]
        self._early_iterations = early_iterations
        for stream, size in zip(self._streams[:2], self._sizes, strict=True):
            if (stream is None) != (size == 0) or size < 0:
                raise ValueError(
                    f"batch_size={batch_size}, unlabelled.batch_size={unlabelled_batch_size}: each "
                    "must be 1 or more if its videos are used for training, and 0 if not"
                )
        if dataset is None and unlabelled is None:
            raise ValueError("batch_size=0 trains without labels, which needs unlabelled videos")
        self.num_workers = num_workers
        self.protocol = protocol
        self.start_iteration = 0

    @property
    def dataset(self) -> Stream:
        """The dataset that defines an epoch: the labelled clips if there are any."""
        labelled, unlabelled, _ = self._streams
        dataset = labelled or unlabelled
        assert dataset is not None  # the constructor refuses a loader without both
        return dataset

    @property
    def iterations_per_epoch(self) -> float:
        """Number of iterations in which all processes together use every clip once."""
        return len(self.dataset) / ((self._sizes[0] or self._sizes[1]) * get_world_size())

    def set_start(self, iteration: int) -> None:
        """Let the next pass start with the batch of this iteration."""
        self.start_iteration = iteration

    def batches(self) -> Iterator[list[tuple[int, int]]]:
        """Yield batches of (stream, position) of this process's samples.

        Streams are 0 for labelled clips, 1 for unlabelled videos, and 2 for early labelled clips.
        """
        rank, world, iteration = get_rank(), get_world_size(), self.start_iteration
        while True:
            shard = iteration * world + rank
            streams = (2 if iteration < self._early_iterations else 0, 1)
            yield [
                (stream, shard * size + number)
                for stream, size in zip(streams, self._sizes, strict=True)
                for number in range(size)
            ]
            iteration += 1

    def __iter__(self):
        return iter(
            DataLoader(
                _Joined(self._streams),
                batch_sampler=_Batches(self),
                num_workers=self.num_workers,
                collate_fn=_as_lists if self._streams[1] is None else _as_lists_and_views,
            )
        )


class _Joined(Dataset):
    """Joins several streams into one dataset, indexed by (stream, position)."""

    def __init__(self, streams: list[Stream | None]):
        self.streams = streams

    def __getitem__(self, key: tuple[int, int]):
        stream, position = key
        dataset = self.streams[stream]
        assert dataset is not None  # its batch size is 0, so it has no positions
        return dataset[position]


class _Batches:
    def __init__(self, loader: TrainLoader):
        self.loader = loader

    def __iter__(self):
        return self.loader.batches()


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


def build_image_loader(
    *,
    source: str,
    mapper: RandomFrameMapper,
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


def _as_lists(samples):
    clips, targets = zip(*samples, strict=True)
    return list(clips), list(targets)


def _as_lists_and_views(samples):
    views = [sample for sample in samples if isinstance(sample, UnlabelledViews)]
    labelled = [sample for sample in samples if not isinstance(sample, UnlabelledViews)]
    return *(_as_lists(labelled) if labelled else ([], [])), views
