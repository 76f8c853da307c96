"""Atomic writing of files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def appears_whole(path: Path) -> Iterator[Path]:
    """Context with a temporary path to write to; without an error that file replaces `path`.

    Missing folders are created. After an error `path` is unchanged, and the temporary file is
    removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    half_done = path.with_name(f".{path.name}")
    try:
        yield half_done
        half_done.replace(path)
    finally:
        half_done.unlink(missing_ok=True)
