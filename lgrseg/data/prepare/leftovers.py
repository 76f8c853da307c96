"""What earlier preparations left in a store, and what of it has another name now."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from lgrseg.data.store import read_record


def remove_moved(
    out: Path, listed: set[str], new_names: dict[tuple[str, ...], str]
) -> tuple[dict[str, str], list[str]]:
    """Remove prepared videos whose pictures have another name now, in another split for example.

    Args:
        out: folder of the prepared dataset.
        listed: video_ids that the raw folder has now.
        new_names: hashes of the files that hold a video's pictures -> its video_id now.

    Returns:
        Removed video_ids with the reason, and those that are not listed but stay: their raw files
        may have been deleted to save space, so that is for the user to decide.
    """
    removed, left_over = {}, []
    lengths = {len(pictures) for pictures in new_names}
    for record in list(_records_below(out)):
        if record["video_id"] in listed:
            continue
        hashes = [source["sha256"] for source in record["sources"]]
        names = (new_names.get(tuple(hashes[:length])) for length in lengths)
        if name := next(filter(None, names), None):
            _remove(Path(record["folder"]), out)
            removed[record["video_id"]] = f"the same pictures are {name} now"
        else:
            left_over.append(record["video_id"])
    return removed, left_over


def record_before(folder: Path) -> dict:
    """The record of an earlier preparation; empty where there is none that can be read."""
    try:
        return read_record(folder)
    except (FileNotFoundError, ValueError):  # not there, or cut short by a power failure
        return {}


def _records_below(out: Path) -> Iterator[dict]:
    """Records of this store in order, but those of other datasets in folders further down."""
    for file in sorted(out.glob("**/meta.json")):
        record = record_before(file.parent)
        if record and file.parent == out / record["video_id"]:
            yield record


def _remove(folder: Path, out: Path) -> None:
    """Delete one prepared video, and the folders above it that are empty then."""
    shutil.rmtree(folder)
    while (folder := folder.parent) != out and not any(folder.iterdir()):
        folder.rmdir()
