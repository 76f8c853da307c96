"""Removes videos of earlier preparations from a store if they have another name now."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lgrseg.data.store import read_meta, remove_video


def remove_moved(
    out: Path, listed: set[str], new_names: dict[tuple[str, ...], str]
) -> tuple[dict[str, str], list[str]]:
    """Remove prepared videos whose pictures have another name now, such as that of another split.

    Args:
        out: folder of the prepared dataset.
        listed: video_ids that the raw folder has now.
        new_names: hashes of the files with a video's pictures -> its present video_id.

    Returns:
        Removed video_ids with the reason; and video_ids that are not listed but stay. Their raw
        files may have been deleted to save space, so the user decides about them.
    """
    removed, left_over = {}, []
    lengths = {len(pictures) for pictures in new_names}
    for folder, meta in list(_prepared_below(out)):
        if meta["video_id"] in listed:
            continue
        hashes = [source["sha256"] for source in meta["sources"]]
        names = (new_names.get(tuple(hashes[:length])) for length in lengths)
        if name := next(filter(None, names), None):
            _remove(folder, out)
            removed[meta["video_id"]] = f"the same pictures are {name} now"
        else:
            left_over.append(meta["video_id"])
    return removed, left_over


def meta_before(folder: Path) -> dict[str, Any]:
    """Content of meta.json of an earlier preparation; empty if there is none that can be read."""
    try:
        return read_meta(folder)
    except (FileNotFoundError, ValueError):  # missing, or truncated by a power failure
        return {}


def _prepared_below(out: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Folder and meta.json of every video of this store, but not of a dataset further down."""
    for file in sorted(out.glob("**/meta.json")):
        meta = meta_before(file.parent)
        if meta and file.parent == out / meta["video_id"]:
            yield file.parent, meta


def _remove(folder: Path, out: Path) -> None:
    """Delete one prepared video, and the folders above it that are empty afterwards."""
    remove_video(folder)
    while (folder := folder.parent) != out and not any(folder.iterdir()):
        folder.rmdir()
