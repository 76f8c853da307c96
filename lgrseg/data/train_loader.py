"""The training loader: endless batches for one process. loader.py builds it from datasets."""

from collections.abc import Iterator

from torch.utils.data import DataLoader, Dataset

from lgrseg.comm.processes import get_rank, get_world_size
from lgrseg.data.images.stream import ImageStream
from lgrseg.data.label_protocol import LabelProtocol
from lgrseg.data.paired import PairedFrames
from lgrseg.data.streams import ClipDataset, UnlabelledDataset
from lgrseg.data.unpaired import UnpairedFrames
from lgrseg.structures import UnlabelledViews

ViewStream = UnlabelledDataset | UnpairedFrames | PairedFrames | ImageStream
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


def _as_lists(samples):
    clips, targets = zip(*samples, strict=True)
    return list(clips), list(targets)


def _as_lists_and_views(samples):
    views = [sample for sample in samples if isinstance(sample, UnlabelledViews)]
    labelled = [sample for sample in samples if not isinstance(sample, UnlabelledViews)]
    return *(_as_lists(labelled) if labelled else ([], [])), views
