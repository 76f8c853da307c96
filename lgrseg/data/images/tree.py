"""A folder or URL with images and clips anywhere below it, as a source of a stream.

    tree/heart/patient1/view.dcm         organ "heart", a video of its own
    tree/heart/patient2/frame_001.png    organ "heart", video "heart/patient2" with its neighbours

The organ is the first folder. A clip is a video; so are all images of one folder, unless it is the
tree itself or a folder of an organ, whose images count as separate.
"""

import contextlib
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from fsspec.core import url_to_fs

from lgrseg.data.images.balance import BALANCES, Balanced
from lgrseg.data.images.source import Picture, grey_of
from lgrseg.data.io.grey_values import to_uint8
from lgrseg.data.io.lazy_frames import LazyFrames
from lgrseg.data.io.reading import READERS, read_video
from lgrseg.data.io.remote import FoundFile, files_below, is_hidden, local_file, other_ending
from lgrseg.data.io.stills import IMAGES, num_pages, read_still

ENDINGS = (*IMAGES, *sum(READERS, ()))
"""Endings of files that are read. DICOM files may have any name without a usual ending."""
COLUMNS = ("path", "near_duplicate_of", "unreadable")
"""Columns of a list of a tree: the file, the one that it repeats, why it cannot be read."""


@dataclass(frozen=True)
class TreeFile:
    """One image or clip of a tree."""

    url: str
    """Path, or URL in an object store."""
    name: str
    """Path within the tree."""

    @property
    def organ(self) -> str:
        """First folder; "" for files beside the folders."""
        return self.name.partition("/")[0] if "/" in self.name else ""

    @property
    def video(self) -> str:
        """Name of the video to which the file belongs."""
        folder = self.name.rpartition("/")[0]
        return folder if "/" in folder and self.name.lower().endswith(IMAGES) else self.name


class ImageTree:
    """Images and clips of a tree; every one once per epoch, unless the choice is balanced."""

    def __init__(self, place: str, *, balance: str = "none"):
        """List the files; none is opened.

        Args:
            place: folder or URL; or a list of its files, LIST.csv, with the columns in COLUMNS, of
                which near duplicates and unreadable files are left out.
            balance: none: all files are equally frequent; "video", "organ": all videos or organs
                are; "organ+video": organs, and within each of them videos.

        Raises:
            FileNotFoundError: the place does not exist, or has no image and no clip.
            ValueError: `balance` is unknown, or a list has no column "path".
        """
        if balance not in BALANCES:
            raise ValueError(f"balance={balance!r}: it can be {', '.join(map(repr, BALANCES))}")
        self.place = place
        self.files = files_of_list(place) if place.endswith(".csv") else files_of_tree(place)
        keys = [tuple(getattr(file, key) for key in BALANCES[balance]) for file in self.files]
        self._order = Balanced(keys)

    def __len__(self) -> int:
        return len(self.files)

    def name(self, element: int) -> str:
        """Path of a file within the tree."""
        return self.files[element].name

    def element_at(self, position: int, seed: int) -> int:
        """File at a position of the stream."""
        return self._order.element_at(position, seed)

    def read(self, element: int, rng: np.random.Generator) -> Picture:
        """Read an image, or a random frame of a clip.

        Raises:
            UnreadableFile: the file is damaged, or of an unknown kind.
            OSError: the file cannot be opened.
        """
        file = self.files[element]
        with open_file(file) as frames:
            index = int(rng.integers(len(frames)))
            return Picture(file.name, index, grey_of(frames[index]))


def files_of_tree(place: str) -> list[TreeFile]:
    """List the images and clips of a folder or URL, in order.

    Raises:
        FileNotFoundError: the place does not exist, or has none.
    """
    files, left_out = [], Counter[str]()
    for file in files_below(place):
        if reason := _reason_against(file):
            left_out[reason] += 1
        else:
            files.append(TreeFile(file.url, file.inner))
    if not files:
        reasons = "".join(f"; {number} files are {why}" for why, number in left_out.items())
        raise FileNotFoundError(f"{place} does not exist, or has no image and no clip{reasons}")
    return files


def files_of_list(place: str) -> list[TreeFile]:
    """Files of a list that are no near duplicates and readable; paths begin at its folder.

    Raises:
        FileNotFoundError: there is no such list, or all of its files are left out.
        ValueError: it has no column "path".
    """
    files, path = url_to_fs(place, use_listings_cache=False)
    reader = csv.DictReader(io.StringIO(files.cat_file(path).decode("utf-8-sig")))
    rows, columns = list(reader), list(reader.fieldnames or [])
    if "path" not in columns:
        raise ValueError(f"{place} has no column 'path'; its columns are {', '.join(columns)}")
    used = [row["path"] for row in rows if not any(row.get(key) for key in COLUMNS[1:])]
    if not used:
        raise FileNotFoundError(f"{place}: none of its {len(rows)} files is used")
    return [TreeFile(_joined(place.rpartition("/")[0], path), path) for path in used]


@contextlib.contextmanager
def open_file(file: TreeFile) -> Iterator[np.ndarray | LazyFrames]:
    """Context with all frames of an image or clip, (T, H, W) or (T, H, W, 3) uint8.

    Raises:
        UnreadableFile: the file is damaged, or of an unknown kind.
        OSError: the file cannot be opened.
    """
    with local_file(file.url) as path:
        if path.name.lower().endswith(IMAGES) and num_pages(path) <= 1:
            yield to_uint8(read_still(path))[None]
        else:
            yield read_video(path).frames


def _reason_against(file: FoundFile) -> str:
    if is_hidden(file.inner):
        return "hidden, or an index"
    ending = other_ending(file.inner.rpartition("/")[2], ENDINGS)
    return f"of another kind ({ending})" if ending else ""


def _joined(folder: str, path: str) -> str:
    return path if re.match(r"\w+://|/", path) or not folder else f"{folder}/{path}"
