"""The stream of views of unlabelled images, from a tree or from shards.

Sample i is a function of (seed, i) and of the files, as in streams.py. An element that cannot be
read is replaced by another one, which depends on (seed, i) too. It is named in the log once by each
process that reads.
"""

import logging
from collections.abc import Iterator

import numpy as np
from fsspec.core import url_to_fs
from torch.utils.data import Dataset

from lgrseg.data.images.shards import INDEX, Shards
from lgrseg.data.images.source import UNUSABLE, ImageSource
from lgrseg.data.images.tree import ImageTree
from lgrseg.data.mappers.views import LocalGlobalMapper, RandomFrameMapper
from lgrseg.structures import UnlabelledViews

logger = logging.getLogger("lgrseg")
_VIEWS, _OTHERS = 15, 16
"""Purposes of random numbers."""


class ImageStream(Dataset):
    """Views of the elements of a source; item i is UnlabelledViews."""

    def __init__(
        self,
        *,
        source: ImageSource,
        mapper: RandomFrameMapper | LocalGlobalMapper,
        seed: int = 0,
    ):
        """`seed` is that of the run."""
        self.source, self.mapper, self.seed = source, mapper, seed
        self.unreadable: dict[int, str] = {}
        """Element -> reason, of those that this process could not read."""

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> UnlabelledViews:
        for element in self._candidates(index):
            if element in self.unreadable:
                continue
            rng = np.random.default_rng([self.seed, _VIEWS, index])
            try:
                picture = self.source.read(element, rng)
            except UNUSABLE as error:
                self._leave_out(element, str(error))
                continue
            return self.mapper.views_of(picture.frame, picture.index, picture.name, rng)
        element, reason = next(iter(self.unreadable.items()))
        raise ValueError(
            f"none of the {len(self)} images of {self.source.place} can be read; the first was "
            f"{self.source.name(element)}: {reason}"
        )

    def _candidates(self, index: int) -> Iterator[int]:
        """The element at this position, and then all elements in a random order."""
        yield self.source.element_at(index, self.seed)
        yield from (
            np.random.default_rng([self.seed, _OTHERS, index]).permutation(len(self)).tolist()
        )

    def _leave_out(self, element: int, reason: str) -> None:
        self.unreadable[element] = reason
        logger.warning(
            "%s is left out: %s (%d of %d are unreadable so far)",
            self.source.name(element), reason, len(self.unreadable), len(self),
        )  # fmt: skip


def open_source(place: str, *, balance: str = "none") -> ImageSource:
    """Open a folder or URL of shards, or of images and clips.

    Args:
        place: folder or URL; or the .csv list of a tree.
        balance: see `ImageTree`; shards allow only "none".

    Raises:
        FileNotFoundError: the place does not exist, or has no image.
        ValueError: `place` is empty, `balance` is unknown or not possible, or a list or index is
            damaged.
    """
    if not place:
        raise ValueError("no images are named: set dataloader.train.source=FOLDER, URL or LIST.csv")
    files, root = url_to_fs(place, use_listings_cache=False)
    if not files.exists(f"{root}/{INDEX}"):
        return ImageTree(place, balance=balance)
    if balance != "none":
        raise ValueError(
            f"balance={balance!r}: images in shards come in the order of the shards. Write the "
            "shards with balanced numbers (--frames-per-clip), or read the tree of files"
        )
    return Shards(place)
