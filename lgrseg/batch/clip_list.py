"""The clips of an archive: files of a folder or object store, or paths in a list."""

import csv
import hashlib
import io
import re
from collections import Counter
from dataclasses import dataclass

from fsspec.core import url_to_fs

from lgrseg.data.io.remote import files_below, is_hidden, other_ending

LISTS = (".txt", ".csv", ".parquet")
"""Endings of files that list the paths of clips."""
PATH_COLUMN = "path"
CLIPS = (
    *(".nii", ".nii.gz", ".mha", ".dcm", ".tif", ".tiff", ".gif", ".webp"),
    *(".mp4", ".avi", ".mov", ".mkv", ".m4v"),
)
"""Endings of clips that are one file. DICOM files may have any name without a known ending."""


@dataclass(frozen=True)
class ArchiveClip:
    """One clip of an archive."""

    path: str
    """Path or URL of its file."""
    version: str = ""
    """A text that changes with the file: its size and time, or its ETag. Empty if the clip comes
    from a list, where it would take one more request for each."""


@dataclass
class ArchiveListing:
    """The clips of an archive, and what is not used."""

    clips: list[ArchiveClip]
    left_out: Counter[str]
    """Reason -> number of files that are not used."""


def list_clips(source: str) -> ArchiveListing:
    """List the clips of a folder, of a URL, or of a list; no clip is opened.

    Args:
        source: a folder or URL, which is searched with everything below it; or a .txt file with one
            path a line, or a .csv or .parquet file with a column `path`. Paths in a list are URLs,
            or paths that begin at the folder of the list.

    Raises:
        FileNotFoundError: there is no such file or folder, or it has no clip.
        ValueError: a table has no column `path`.
    """
    files, root = url_to_fs(source, use_listings_cache=False)
    if root.lower().endswith(LISTS) and files.isfile(root):
        folder = source.rpartition("/")[0]
        paths = [_joined(folder, path) for path in _paths_in(root, files.cat_file(root))]
        listing = ArchiveListing([ArchiveClip(path) for path in dict.fromkeys(paths)], Counter())
    elif files.isfile(root):
        listing = ArchiveListing([ArchiveClip(source)], Counter())
    else:
        listing = _below(source)
    if not listing.clips:
        left_out = "".join(f"; {why}: {count} files" for why, count in listing.left_out.items())
        raise FileNotFoundError(f"{source} does not exist, or has no clip{left_out}")
    return listing


def in_shard(clips: list[ArchiveClip], shard: int, num_shards: int) -> list[ArchiveClip]:
    """Keep the clips of one of several shards, into which the hashes of the paths divide them.

    A clip stays in its shard when others are added.

    Args:
        clips: all clips of the archive.
        shard: number of the shard, from 0.
        num_shards: number of shards.
    """

    def shard_of(clip: ArchiveClip) -> int:
        return int.from_bytes(hashlib.sha256(clip.path.encode()).digest()[:8], "big") % num_shards

    return [clip for clip in clips if shard_of(clip) == shard]


def parse_shard(text: str) -> tuple[int, int]:
    """Parse "0/16", the first of 16 shards.

    Raises:
        ValueError: the text has another form, or there is no such shard.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or int(match[1]) >= int(match[2]):
        raise ValueError(
            f"shard {text!r}: give NUMBER/SHARDS, with numbers from 0, such as 0/16 to 15/16"
        )
    return int(match[1]), int(match[2])


def _below(source: str) -> ArchiveListing:
    listing = ArchiveListing([], Counter())
    for file in files_below(source):
        if reason := _reason_against(file.inner):
            listing.left_out[reason] += 1
        else:
            listing.clips.append(ArchiveClip(file.url, file.version))
    return listing


def _reason_against(inner: str) -> str:
    """Reason why a file of a folder is not used; empty if it is."""
    if is_hidden(inner):
        return "hidden, or an index"
    name = inner.rpartition("/")[2].lower()
    if name.endswith((".mhd", ".raw", ".zraw", ".png", ".jpg", ".jpeg")):
        return "a part of a clip of several files, which tools/predict.py reads"
    if name.endswith(LISTS):
        return "a list of files, which is an --input of its own"
    ending = other_ending(name, CLIPS)
    return f"no known kind of clip ({ending})" if ending else ""


def _paths_in(name: str, content: bytes) -> list[str]:
    if name.lower().endswith(".txt"):
        return [line.strip() for line in content.decode().splitlines() if line.strip()]
    if name.lower().endswith(".csv"):
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
        columns, rows = list(reader.fieldnames or []), list(reader)
        if PATH_COLUMN in columns:
            return [row[PATH_COLUMN] for row in rows if row[PATH_COLUMN]]
    else:
        from pyarrow import BufferReader, parquet

        columns = parquet.read_schema(BufferReader(content)).names
        if PATH_COLUMN in columns:
            table = parquet.read_table(BufferReader(content), columns=[PATH_COLUMN])
            return [path for path in table[PATH_COLUMN].to_pylist() if path]
    raise ValueError(f"{name} has no column {PATH_COLUMN!r}; its columns are {', '.join(columns)}")


def _joined(folder: str, path: str) -> str:
    return path if "://" in path or path.startswith("/") or not folder else f"{folder}/{path}"
