"""Reads every file of a tree once, and lists near duplicates and what cannot be read."""

import csv
import io
import logging
from dataclasses import dataclass

from fsspec.core import url_to_fs

from lgrseg.data.images.near_duplicates import NearDuplicates, difference_hash
from lgrseg.data.images.source import UNUSABLE, grey_of
from lgrseg.data.images.tree import COLUMNS, TreeFile, files_of_tree, open_file

logger = logging.getLogger("lgrseg")


@dataclass(frozen=True)
class ScannedFile:
    """One row of the list of a tree."""

    file: TreeFile
    near_duplicate_of: str = ""
    """Name of the file that it repeats; empty if it repeats none."""
    unreadable: str = ""
    """Reason why it cannot be read; empty if it can."""


def scan_tree(place: str, *, max_distance: int = 8) -> list[ScannedFile]:
    """Read all images, and the middle frame of all clips of a tree.

    Args:
        place: folder or URL.
        max_distance: see `NearDuplicates`.

    Raises:
        FileNotFoundError: the place does not exist, or has no image and no clip.
        ValueError: no file can be read.
    """
    known, rows = NearDuplicates(max_distance), []
    files = files_of_tree(place)
    for file in files:
        try:
            with open_file(file) as frames:
                image_hash = difference_hash(grey_of(frames[len(frames) // 2]))
        except UNUSABLE as error:
            rows.append(ScannedFile(file, unreadable=str(error)))
            logger.warning("%s cannot be read: %s", file.name, error)
            continue
        first = known.find(image_hash)
        if first is None:
            known.add(image_hash, file.name)
        rows.append(ScannedFile(file, near_duplicate_of=first or ""))
    if all(row.unreadable for row in rows):
        raise ValueError(
            f"none of the {len(rows)} files of {place} can be read; the first was "
            f"{rows[0].file.name}: {rows[0].unreadable}"
        )
    return rows


def write_list(rows: list[ScannedFile], file: str) -> None:
    """Write the rows as .csv with the columns in tree.COLUMNS; `ImageTree` reads it.

    Args:
        rows: rows of `scan_tree`.
        file: path or URL of the list; in the folder of the tree, its paths are those within it.
    """
    files, path = url_to_fs(file, use_listings_cache=False)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([row.file.name, row.near_duplicate_of, row.unreadable])
    files.pipe_file(path, text.getvalue().encode())
