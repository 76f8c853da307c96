"""The stream of views of unlabelled images, from a tree or from shards.

Sample i is a function of (seed, i) and of the files, as in streams.py. An element that cannot be
read is replaced by another one, as replacing.py says.
"""

import numpy as np
from fsspec.core import url_to_fs
from torch.utils.data import Dataset

from lgrseg.data.images.replacing import Replacing
from lgrseg.data.images.shards import INDEX, Shards
from lgrseg.data.images.source import ImageSource, Picture
from lgrseg.data.images.tree import ImageTree
from lgrseg.data.mappers.views import LocalGlobalMapper, RandomFrameMapper
from lgrseg.structures import UnlabelledViews

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
        self.replacing = Replacing(source.place, number=len(source), name=source.name)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> UnlabelledViews:
        def read(element: int) -> tuple[Picture, np.random.Generator]:
            rng = np.random.default_rng([self.seed, _VIEWS, index])
            return self.source.read(element, rng), rng

        element = self.source.element_at(index, self.seed)
        picture, rng = self.replacing.read(element, read, (self.seed, _OTHERS, index))
        return self.mapper.views_of(picture.frame, picture.index, picture.name, rng)


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
