"""A folder on a disk or in an object store, in which a file is either whole or not there."""

import os
import uuid
from pathlib import Path

from fsspec.core import url_to_fs


class StorageError(OSError):
    """A place cannot be used: its disk is full, its server does not answer, and so on."""


class Place:
    """Files below a path or a URL such as `s3://bucket/folder`, by their names within it."""

    def __init__(self, url: str):
        """`url` is a path, or a URL of any file system that fsspec knows; nothing is written yet.

        Raises:
            ValueError: fsspec knows no such kind of URL.
            ImportError: the package for this kind of URL is not installed.
        """
        self.url = url.rstrip("/")
        self.files, self.root = url_to_fs(self.url, use_listings_cache=False)
        self.is_local = "file" in (
            self.files.protocol if isinstance(self.files.protocol, tuple) else ()
        )

    def read(self, name: str) -> bytes | None:
        """Read a file; None if there is none.

        Raises:
            StorageError: the place cannot be read.
        """
        try:
            return self.files.cat_file(f"{self.root}/{name}")
        except FileNotFoundError:
            return None
        except Exception as error:  # every file system has its own errors
            raise StorageError(f"{self.url}/{name} cannot be read: {error}") from error

    def names(self, folder: str) -> list[str]:
        """Names of the whole files in a folder, in order; none if there is no such folder."""
        try:
            paths = self.files.ls(f"{self.root}/{folder}", detail=False)
        except FileNotFoundError:
            return []
        names = sorted(path.rstrip("/").rpartition("/")[2] for path in paths)
        return [f"{folder}/{name}" for name in names if name and not name.startswith(".")]

    def write(self, name: str, content: bytes, *, is_new: bool = False) -> None:
        """Write a whole file: by another name that is then changed, or by one request.

        Args:
            name: name of the file within the place, with `/` between folders.
            content: all bytes of the file.
            is_new: True if a file of this name must not be there yet.

        Raises:
            FileExistsError: the file is there and must not be; it stays as it is.
            StorageError: the file cannot be written.
        """
        path = f"{self.root}/{name}"
        try:
            if self.is_local:
                _write_locally(Path(path), content, is_new=is_new)
            else:
                self.files.pipe_file(path, content, mode="create" if is_new else "overwrite")
        except FileExistsError:
            raise
        except Exception as error:  # every file system has its own errors
            if is_new and "PreconditionFailed" in f"{error!r} {error.__cause__!r}":  # of S3
                raise FileExistsError(f"{self.url}/{name} exists") from error
            raise StorageError(f"{self.url}/{name} cannot be written: {error}") from error


def _write_locally(path: Path, content: bytes, *, is_new: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half_done = path.with_name(f".{path.name}.{uuid.uuid4().hex}")  # several processes write
    try:
        with open(half_done, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            os.link(half_done, path)  # unlike a new name, this never replaces a file
        else:
            half_done.replace(path)
    finally:
        half_done.unlink(missing_ok=True)
