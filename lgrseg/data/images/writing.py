"""Writes shards: the frames of a tree or of prepared videos, shuffled, without near duplicates."""

import json
import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from fsspec.core import url_to_fs

from lgrseg.data.catalog import DatasetCatalog
from lgrseg.data.images.near_duplicates import NearDuplicates, difference_hash
from lgrseg.data.images.shards import INDEX, encode
from lgrseg.data.images.source import UNUSABLE, Picture, grey_of
from lgrseg.data.images.tree import ImageTree, open_file
from lgrseg.data.store import DamagedVideoError, open_frames

logger = logging.getLogger("lgrseg")


@dataclass(frozen=True)
class Opened:
    """An image or clip that can be opened."""

    name: str
    """Name in the shards."""
    organ: str
    """First folder of the name; the name of the dataset for prepared videos."""
    open: Callable[[], AbstractContextManager]
    """Function that gives a context with the frames (T, H, W) or (T, H, W, 3) uint8."""


@dataclass
class Written:
    """What became of the files."""

    frames: int = 0
    """Number of frames in the shards."""
    near_duplicates: dict[str, str] = field(default_factory=dict)
    """Frame that was left out -> the one that it repeats."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """File -> reason."""
    organs: Counter[str] = field(default_factory=Counter)
    """Organ -> number of frames in the shards."""


def files_of(source: str) -> list[Opened]:
    """List the files of a tree or of a .csv list of it, or the videos of a prepared dataset.

    Raises:
        FileNotFoundError: the source does not exist, or has no image.
        ValueError: a list is damaged.
    """
    if source in DatasetCatalog:
        return [
            Opened(record.video_id, source, partial(lambda r: nullcontext(open_frames(r)), record))
            for record in DatasetCatalog.get(source)
        ]
    return [
        Opened(file.name, file.organ, partial(open_file, file)) for file in ImageTree(source).files
    ]


def write_shards(
    files: Sequence[Opened],
    place: str,
    *,
    ending: str = "jpg",
    frames_per_clip: int = 8,
    frames_per_shard: int = 1000,
    short_side: int | None = None,
    max_distance: int | None = 8,
    seed: int = 0,
) -> Written:
    """Write the frames of all files, in a random order of the files.

    Args:
        files: the files, from `files_of`.
        place: new folder or URL of the shards.
        ending: "jpg" of quality 95, "png", or "npy" for no compression.
        frames_per_clip: largest number of frames of a clip; they are evenly spread.
        frames_per_shard: largest number of frames in a shard.
        short_side: frames are reduced to this length of the shorter side, in pixels; None keeps
            their size.
        max_distance: see `NearDuplicates`, which are left out; None keeps them.
        seed: seed of the order of the files.

    Raises:
        FileExistsError: the place has shards already.
        ValueError: no file can be read, or a number is out of range.
    """
    from webdataset import ShardWriter

    _check(
        frames_per_clip=frames_per_clip,
        frames_per_shard=frames_per_shard,
        short_side=1 if short_side is None else short_side,
    )
    written, shards = Written(), []
    known = None if max_distance is None else NearDuplicates(max_distance)
    order = np.random.default_rng(seed).permutation(len(files)).tolist()
    target, root = url_to_fs(place, use_listings_cache=False)
    if target.exists(f"{root}/{INDEX}"):
        raise FileExistsError(f"{place} has shards already: choose another folder, or delete it")
    target.makedirs(root, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lgrseg_shards_") as folder:

        def store(path: str) -> None:
            shards.append({"name": Path(path).name, "frames": writer.count})
            target.put_file(path, f"{root}/{Path(path).name}")
            Path(path).unlink()

        with ShardWriter(
            f"{folder}/%06d.tar", maxcount=frames_per_shard, verbose=0, post=store, mtime=0
        ) as writer:
            for number in order:
                for picture in _frames_of(files[number], frames_per_clip, written, len(files)):
                    if known is not None and _is_known(picture, known, written):
                        continue
                    writer.write(_sample(picture, written.frames, ending, short_side))
                    written.frames += 1
                    written.organs[files[number].organ] += 1
    if not written.frames:
        name, reason = next(iter(written.unreadable.items()))
        raise ValueError(f"none of {len(files)} files can be read; the first was {name}: {reason}")
    index = {
        "shards": shards,
        "ending": ending,
        "short_side": short_side,
        "max_distance": max_distance,
        "seed": seed,
        "unreadable": written.unreadable,
        "near_duplicates": written.near_duplicates,
    }
    target.pipe_file(f"{root}/{INDEX}", json.dumps(index, indent=1).encode())
    return written


def _check(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be 1 or more, not {number}")


def _frames_of(file: Opened, most: int, written: Written, count: int) -> Iterator[Picture]:
    """The frames that are used of a file; none if it cannot be read."""
    try:
        with file.open() as frames:
            for index in spread(len(frames), most):
                yield Picture(file.name, index, grey_of(np.asarray(frames[index])))
    except (*UNUSABLE, DamagedVideoError) as error:
        written.unreadable[file.name] = str(error)
        logger.warning(
            "%s is left out: %s (%d of %d are unreadable so far)",
            file.name, error, len(written.unreadable), count,
        )  # fmt: skip


def spread(count: int, most: int) -> list[int]:
    """At most `most` of `count` indices, in the middle of equal parts: 10, 2 gives 2 and 7."""
    number = min(count, most)
    return [(2 * k + 1) * count // (2 * number) for k in range(number)]


def _sample(picture: Picture, number: int, ending: str, short_side: int | None) -> dict:
    """A frame as webdataset writes it."""
    facts = {"name": picture.name, "index": picture.index}
    return {
        "__key__": f"{number:09d}",
        ending: encode(_reduced(picture.frame, short_side), ending),
        "json": json.dumps(facts).encode(),
    }


def _is_known(picture: Picture, known: NearDuplicates, written: Written) -> bool:
    name = f"{picture.name} frame {picture.index}"
    image_hash = difference_hash(picture.frame)
    first = known.find(image_hash)
    if first is None:
        known.add(image_hash, name)
        return False
    written.near_duplicates[name] = first
    return True


def _reduced(frame: np.ndarray, short_side: int | None) -> np.ndarray:
    if short_side is None or min(frame.shape) <= short_side:
        return frame
    scale = short_side / min(frame.shape)
    height, width = (max(1, round(side * scale)) for side in frame.shape)
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
