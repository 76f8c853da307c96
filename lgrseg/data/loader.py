"""Batches of clips. What sample i of a run looks like depends on (seed, i) alone.

The training stream is infinite: sample i is the element i mod n of epoch i // n's permutation,
augmented by a generator made from (seed, i), and its clip carries a seed made from them for what
the model draws. So the number of workers changes nothing, a resumed run goes on where it stopped,
and the processes of a distributed run share one stream.
"""

import math
from collections.abc import Iterator

import numpy as np
from torch.utils.data import DataLoader, Dataset

from lgrseg.data.catalog import DatasetCatalog
from lgrseg.engine.distributed import get_rank, get_world_size

_ORDER, _AUGMENT, _MODEL = 0, 1, 2  # the uses of the seed


class ClipDataset(Dataset):
    """Every clip of some videos; indexed by the position in the infinite stream."""

    def __init__(self, *, records: list[dict], mapper, seed: int = 0):
        """Videos are split into clips by the mapper's frame sampler.

        Raises:
            ValueError: a video without an annotated frame, or no video at all.
        """
        silent = [record["video_id"] for record in records if not record["annotated_frames"]]
        if silent:
            named = ", ".join(silent[:5]) + (", ..." if len(silent) > 5 else "")
            raise ValueError(
                f"{len(silent)} videos of a supervised dataset have no annotated frame: {named}; "
                "leave them out of its list, or give them labels"
            )
        if not records:
            raise ValueError("the dataset holds no video")
        self.mapper = mapper
        self.seed = seed
        self.samples = [
            (record, anchor)
            for record in records
            for anchor in mapper.frame_sampler.anchors(
                record["annotated_frames"], record["num_frames"]
            )
        ]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int):
        epoch, position = divmod(index, len(self))
        order = np.random.default_rng([self.seed, _ORDER, epoch]).permutation(len(self))
        record, anchor = self.samples[order[position]]
        rng = np.random.default_rng([self.seed, _AUGMENT, index])
        clip, targets = self.mapper(record, anchor, rng)
        clip.seed = int(np.random.default_rng([self.seed, _MODEL, index]).integers(2**63))
        return clip, targets


class TrainLoader:
    """Endless batches (list of clips, list of targets), from any iteration on."""

    def __init__(self, *, dataset: ClipDataset, batch_size: int, num_workers: int = 0):
        """`batch_size` clips a process and iteration."""
        self.dataset = dataset
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.start_iteration = 0

    @property
    def iterations_per_epoch(self) -> float:
        """Iterations after which every clip was seen once, over all processes."""
        return len(self.dataset) / (self.batch_size * get_world_size())

    def set_start(self, iteration: int) -> None:
        """The next pass begins with the batch of this iteration."""
        self.start_iteration = iteration

    def batches(self) -> Iterator[list[int]]:
        """Stream positions of this process's batches."""
        rank, world, iteration = get_rank(), get_world_size(), self.start_iteration
        while True:
            first = (iteration * world + rank) * self.batch_size
            yield list(range(first, first + self.batch_size))
            iteration += 1

    def __iter__(self):
        return iter(
            DataLoader(
                self.dataset,
                batch_sampler=_Batches(self),
                num_workers=self.num_workers,
                collate_fn=_as_lists,
            )
        )


class _Batches:
    def __init__(self, loader: TrainLoader):
        self.loader = loader

    def __iter__(self):
        return self.loader.batches()


class TestDataset(Dataset):
    """This process's share of the clips, each once, with its record; nothing is random."""

    __test__ = False  # not for pytest

    def __init__(self, *, samples: list[tuple[dict, int]], mapper):
        self.samples = samples[get_rank() :: get_world_size()]
        self.mapper = mapper

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int):
        record, anchor = self.samples[index]
        return record, anchor, *self.mapper(record, anchor, np.random.default_rng(0))


def build_train_loader(
    *,
    dataset: str | list[str],
    mapper,
    batch_size: int,
    num_workers: int = 0,
    label_fraction: float = 1.0,
    seed: int = 0,
) -> TrainLoader:
    """The training stream of one or several registered datasets.

    Args:
        dataset: its name, or several.
        mapper: from a record to a sample.
        batch_size: clips a process and iteration.
        num_workers: processes that read ahead; 0 reads in this one.
        label_fraction: share of each dataset's patients that is used; see `labelled_part`.
        seed: of the order and of augmentation.
    """
    names = [dataset] if isinstance(dataset, str) else list(dataset)
    records = [
        record
        for name in names
        for record in labelled_part(DatasetCatalog.get(name), label_fraction)
    ]
    clips = ClipDataset(records=records, mapper=mapper, seed=seed)
    return TrainLoader(dataset=clips, batch_size=batch_size, num_workers=num_workers)


def labelled_part(records: list[dict], fraction: float) -> list[dict]:
    """The videos of a share of the patients, the same in every run, whatever its seed.

    Patients are put in one fixed random order, and the first ceil(fraction x patients) are taken:
    so 10% lie within 25%, and methods are compared on the same labels.

    Raises:
        ValueError: `fraction` is not above 0 and at most 1.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"label_fraction is above 0 and at most 1, not {fraction}")
    patients = np.array(sorted({record["patient"] for record in records}))
    order = np.random.default_rng(0).permutation(len(patients))
    kept = set(patients[order[: math.ceil(fraction * len(patients) - 1e-9)]])
    return [record for record in records if record["patient"] in kept]


def build_test_loader(*, dataset: str, mapper, num_workers: int = 0) -> DataLoader:
    """Batches [(record, anchor, clip, targets)] of one, in the dataset's order."""
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
