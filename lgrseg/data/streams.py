"""Streams of samples: one training clip, unlabelled video or test clip per position.

A training stream is infinite: sample i is the element i mod n in the permutation of epoch i // n.
It is augmented with a generator made from (seed, i). Its clip has a seed, made from the same
numbers, for the random numbers of the model. So samples do not depend on the number of workers, a
resumed run continues the stream, and the processes of a distributed run share one stream.
"""

from functools import lru_cache

import numpy as np
from torch.utils.data import Dataset

from lgrseg.comm.processes import get_rank, get_world_size
from lgrseg.data.record import VideoRecord

# Purposes of random numbers: three for labelled clips, two for unlabelled videos.
_ORDER, _AUGMENT, _MODEL, _UNLABELLED_ORDER, _UNLABELLED = range(5)


class ClipDataset(Dataset):
    """All clips of some videos, indexed by the position in the infinite stream."""

    def __init__(self, *, records: list[VideoRecord], mapper, seed: int = 0):
        """The clips are `mapper.samples(records)`.

        Raises:
            ValueError: a video has no annotation, or there is no video.
        """
        if not records:
            raise ValueError("the dataset holds no video")
        self.mapper = mapper
        self.seed = seed
        self.samples = mapper.samples(records)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int):
        record, anchor = self.samples[element_at(len(self), index, self.seed, _ORDER)]
        rng = np.random.default_rng([self.seed, _AUGMENT, index])
        clip, targets = self.mapper(record, anchor, rng, seen=index)
        clip.seed = int(np.random.default_rng([self.seed, _MODEL, index]).integers(2**63))
        return clip, targets


class UnlabelledDataset(Dataset):
    """Every video once per epoch, around a random frame; returns UnlabelledViews."""

    def __init__(self, *, records: list[VideoRecord], mapper, seed: int = 0):
        """`mapper` is a mapper of views.py.

        Raises:
            ValueError: there is no video.
        """
        if not records:
            raise ValueError(
                "there are no unlabelled videos: name a dataset in "
                "dataloader.train.unlabelled.datasets, or train with a supervised config"
            )
        self.records, self.mapper, self.seed = records, mapper, seed

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int):
        record = self.records[element_at(len(self), index, self.seed, _UNLABELLED_ORDER)]
        rng = np.random.default_rng([self.seed, _UNLABELLED, index])
        return self.mapper(record, int(rng.integers(record.num_frames)), rng, seen=index)


def element_at(length: int, index: int, seed: int, use: int) -> int:
    """Element at this position of an infinite stream of permutations.

    Args:
        length: number of elements.
        index: position in the stream, from 0.
        seed: seed of the run.
        use: purpose of the random numbers.
    """
    epoch, position = divmod(index, length)
    return int(permutation_of(length, seed, use, epoch)[position])


@lru_cache(maxsize=16)  # a million elements take 20 ms
def permutation_of(length: int, seed: int, use: int, epoch: int) -> np.ndarray:
    """The elements 0 to length - 1 in the order of one epoch, see `element_at`."""
    return np.random.default_rng([seed, use, epoch]).permutation(length)


class TestDataset(Dataset):
    """This process's share of the test clips, with their records; nothing is random."""

    __test__ = False  # not for pytest

    def __init__(self, *, samples: list[tuple[VideoRecord, int]], mapper):
        self.samples = samples[get_rank() :: get_world_size()]
        self.mapper = mapper

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int):
        record, anchor = self.samples[index]
        return record, anchor, *self.mapper(record, anchor, np.random.default_rng(0))
