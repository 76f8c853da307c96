"""Files that appear whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def appears_whole(path: Path) -> Iterator[Path]:
    """A hidden path beside `path` to write to; it takes the place of `path` when all went well.

    Folders are made. After an error `path` is as it was, and nothing else is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    half_done = path.with_name(f".{path.name}")
    try:
        yield half_done
        half_done.replace(path)
    finally:
        half_done.unlink(missing_ok=True)
