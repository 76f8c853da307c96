"""WebDataset shards as a source of a stream: tar files of encoded frames, read one at a time.

    <place>/index.json            shards and their numbers of frames; written last
    <place>/000000.tar            0000000.jpg, 0000000.json, 0000001.jpg, ...

The tar files are those of the package webdataset, which also reads them. An epoch is a random order
of the shards, with the frames of each in a random order. The frames of one shard are therefore
neighbours in an epoch; writing.py distributes the files over the shards at random.
"""

import io
import json
import tarfile
from collections import OrderedDict
from dataclasses import dataclass

import cv2
import numpy as np
from fsspec.core import url_to_fs

from lgrseg.data.images.source import Picture
from lgrseg.data.io.video import UnreadableFile
from lgrseg.data.streams import permutation_of

INDEX = "index.json"
RAW = "npy"
ENCODINGS = {"jpg": (cv2.IMWRITE_JPEG_QUALITY, 95), "png": (), RAW: ()}
"""Kind of frames in shards -> options of OpenCV; npy is not compressed."""
_SHARDS, _WITHIN = 17, 1000
"""Purposes of random numbers: order of the shards, and from 1000 on order within each."""
_KEPT = 2
"""Number of shards in memory: a batch may need the end of one and the beginning of the next."""


@dataclass(frozen=True)
class _Frame:
    encoded: bytes
    ending: str
    facts: bytes
    """JSON text."""


class Shards:
    """Frames in shards; each comes once per epoch."""

    def __init__(self, place: str):
        """Read the index of a folder or URL.

        Raises:
            FileNotFoundError: there is no index, so the shards are not complete.
            ValueError: the index is damaged, or lists no frame.
        """
        self.place = place
        files, root = url_to_fs(place, use_listings_cache=False)
        content = files.cat_file(f"{root}/{INDEX}")
        try:
            shards = [(str(s["name"]), int(s["frames"])) for s in json.loads(content)["shards"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{place}/{INDEX} is no index of shards, or is damaged ({error}): "
                "write the shards again, or move this file away if images are in the folder"
            ) from error
        if not shards or min(count for _, count in shards) < 1:
            raise ValueError(f"{place}/{INDEX} has shards without a frame: write the shards again")
        self._names = [name for name, _ in shards]
        self._counts = np.array([count for _, count in shards])
        self._starts = np.cumsum(self._counts) - self._counts
        self._kept: OrderedDict[int, list[_Frame]] = OrderedDict()

    def __len__(self) -> int:
        return int(self._counts.sum())

    def name(self, element: int) -> str:
        """Shard and number of a frame."""
        shard, number = self._at(element)
        return f"frame {number} of {self._names[shard]}"

    def element_at(self, position: int, seed: int) -> int:
        """Frame at a position of the stream."""
        epoch, rest = divmod(position, len(self))
        order = permutation_of(len(self._counts), seed, _SHARDS, epoch)
        ends = np.cumsum(self._counts[order])
        turn = int(np.searchsorted(ends, rest, side="right"))
        shard = int(order[turn])
        within = rest - int(ends[turn] - self._counts[shard])
        numbers = permutation_of(int(self._counts[shard]), seed, _WITHIN + shard, epoch)
        return int(self._starts[shard] + numbers[within])

    def read(self, element: int, rng: np.random.Generator) -> Picture:
        """Decode a frame.

        Raises:
            UnreadableFile: the frame or its facts cannot be decoded.
            OSError: the shard cannot be read.
            ValueError: the shard is missing, damaged, or not the one that was written.
        """
        shard, number = self._at(element)
        frame = self._load(shard)[number]
        decoded = decode(frame.encoded, frame.ending)
        if decoded is None:
            raise UnreadableFile(f"it is no {frame.ending or 'image'}")
        try:
            facts = json.loads(frame.facts)
            return Picture(str(facts["name"]), int(facts["index"]), decoded)
        except (KeyError, TypeError, ValueError) as error:
            raise UnreadableFile(f"its facts are damaged ({error})") from error

    def _at(self, element: int) -> tuple[int, int]:
        shard = int(np.searchsorted(self._starts, element, side="right")) - 1
        return shard, element - int(self._starts[shard])

    def _load(self, shard: int) -> list[_Frame]:
        """The encoded frames of a shard, which is read whole; the last _KEPT stay in memory."""
        if shard not in self._kept:
            frames = self._read(shard)
            if len(frames) != self._counts[shard]:
                raise ValueError(
                    f"{self.place}/{self._names[shard]} has {len(frames)} frames, but {INDEX} "
                    f"states {self._counts[shard]}: write the shards again"
                )
            self._kept[shard] = frames
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(shard)
        return self._kept[shard]

    def _read(self, shard: int) -> list[_Frame]:
        from webdataset.tariterators import group_by_keys, tar_file_expander

        name = self._names[shard]
        files, root = url_to_fs(self.place)  # here, because a connection does not survive a fork
        try:
            with files.open(f"{root}/{name}", "rb") as stream:
                samples = list(group_by_keys(tar_file_expander([{"url": name, "stream": stream}])))
        except FileNotFoundError as error:  # of many frames, so the run must not go on without them
            raise ValueError(
                f"{self.place}/{name} is missing, and {INDEX} names it: copy all shards, or write "
                "them again"
            ) from error
        except (tarfile.TarError, EOFError) as error:
            reason = "its end is missing" if "end of data" in str(error) else "it is no tar file"
            raise ValueError(
                f"{self.place}/{name} is damaged ({reason}): write the shards again"
            ) from error
        frames = []
        for sample in samples:
            ending = next((key for key in sample if key in ENCODINGS), "")
            frames.append(_Frame(sample.get(ending, b""), ending, sample.get("json", b"")))
        return frames


def decode(encoded: bytes, ending: str) -> np.ndarray | None:
    """Decode a frame to (H, W) uint8; None if that is not possible."""
    if ending == RAW:
        try:
            return np.load(io.BytesIO(encoded), allow_pickle=False)
        except (EOFError, ValueError):
            return None
    if not encoded:  # OpenCV would raise an error
        return None
    return cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE)


def encode(frame: np.ndarray, ending: str) -> bytes:
    """Encode a frame (H, W) uint8.

    Args:
        frame: the pixels.
        ending: one of ENCODINGS.
    """
    if ending == RAW:
        buffer = io.BytesIO()
        np.save(buffer, frame)
        return buffer.getvalue()
    done, encoded = cv2.imencode(f".{ending}", frame, ENCODINGS[ending])
    assert done  # of every uint8 frame
    return encoded.tobytes()
