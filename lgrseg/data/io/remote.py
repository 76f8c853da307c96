"""Files of a folder or of an object store such as S3, through fsspec."""

import contextlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fsspec.core import url_to_fs


@dataclass(frozen=True)
class FoundFile:
    """A file below a folder or URL."""

    url: str
    """Path, or URL in an object store."""
    inner: str
    """Path within the folder, with `/` between folders."""
    version: str
    """Text that changes with the file: its ETag, or its size and time."""


def files_below(source: str) -> list[FoundFile]:
    """List all files of a folder and everything below it, in order; none is opened.

    Args:
        source: path of the folder, or URL of any file system that fsspec knows.
    """
    files, root = url_to_fs(source, use_listings_cache=False)
    found = []
    for path, facts in sorted(files.find(root, detail=True).items()):
        version = str(facts.get("ETag") or f"{facts.get('size')} {facts.get('mtime', '')}")
        url = path if "file" in files.protocol else files.unstrip_protocol(path)
        inner = path.removeprefix(root).lstrip("/")
        found.append(FoundFile(url, inner, version.strip()))
    return found


def is_hidden(inner: str) -> bool:
    """Whether a path within a folder has a hidden part, or is an index of DICOM files."""
    parts = inner.split("/")
    return any(part.startswith(".") for part in parts) or parts[-1].lower() == "dicomdir"


def other_ending(name: str, endings: tuple[str, ...]) -> str:
    """The ending of a file name if it is none of `endings`; empty if the file may be used.

    Names without a usual ending may be used: DICOM files have any name.

    Args:
        name: name of the file.
        endings: allowed endings, in lower case.
    """
    name = name.lower()
    ending = re.search(r"[^.](\.[a-z][a-z0-9]{0,4})$", name)
    return ending[1] if ending and not name.endswith(endings) else ""


@contextlib.contextmanager
def local_file(url: str) -> Iterator[Path]:
    """Context with a file on this machine; a remote one is fetched, and deleted at the end.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the path is a folder.
    """
    files, path = url_to_fs(url)
    if "file" in files.protocol:
        if Path(path).is_dir():
            raise ValueError(f"{url} is a folder, not a file")
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="lgrseg_") as folder:
        # In a folder of the same name, because messages and names of videos begin with it.
        *above, name = path.split("/")
        file = Path(folder, *(part for part in above[-1:] if part != ".."), name)
        file.parent.mkdir(exist_ok=True)
        files.get_file(path, str(file))
        yield file
