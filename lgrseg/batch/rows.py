"""The table of an archive: one row for every clip, in Parquet parts that are never changed.

A part appears whole or not at all, so a clip is done if and only if it has a row in a part. A line
of the manifest describes each part. It follows from the part, so a missing one is made again.
"""

import datetime
import io
import json
from collections.abc import Iterable

import pyarrow
from pyarrow import parquet

from lgrseg.batch.clip_list import ArchiveClip
from lgrseg.batch.place import Place
from lgrseg.inference.table import COLUMNS

DONE, FAILED = "done", "failed"
PARTS, MANIFEST = "table", "manifest"
"""Folders of the parts, and of their lines."""
_TEXTS = ("path", "version", "key", "status", "reason", "area_unit", "doubts", "notes", "model")
_NUMBERS = ("frames", "beats", "whole_beats", "first_ed_frame", "first_es_frame")
_OWN = ("path", "version", "key", "status", "reason", "was_there", "seconds", "cpu_seconds")


class AlreadyWrittenError(FileExistsError):
    """Another process has written the next part of the same shard."""


def failed_row(clip: ArchiveClip, reason: str) -> dict:
    """Make the row of a clip without results."""
    row = {"path": clip.path, "version": clip.version, "key": "", "was_there": False}
    return row | {"status": FAILED, "reason": reason, "seconds": 0.0, "cpu_seconds": 0.0}


class ArchiveTable:
    """The parts of a shard in a place, and the rows of all shards."""

    def __init__(self, place: Place, shard: int = 0, num_shards: int = 1):
        """Look for the parts that are there.

        Args:
            place: folder or URL of the results.
            shard: number of the shard whose parts are written, from 0.
            num_shards: number of shards.
        """
        self.place, self._shard = place, f"{shard:05d}-of-{num_shards:05d}"
        self._found = [name for name in place.names(PARTS) if name.endswith(".parquet")]
        own = [name for name in self._found if self._shard in name]
        self._next = len(own)
        for name in own:
            if place.read(_line_of(name)) is None:  # it was stopped between the two files
                self._write_line(name, self._read(name).to_pylist())

    def done(self) -> dict[tuple[str, str], str]:
        """(path, version) of every clip that has a row in a part -> its last status."""
        done: dict[tuple[str, str], str] = {}
        for name in self._found:
            table = self._read(name, ["path", "version", "status"])
            columns = (table[column].to_pylist() for column in ("path", "version", "status"))
            for path, version, status in zip(*columns, strict=True):
                done[path, version] = status
        return done

    def commit(self, rows: list[dict]) -> str:
        """Write a part with these rows, and its line of the manifest.

        Returns:
            Name of the part.

        Raises:
            AlreadyWrittenError: another process writes the same shard.
            StorageError: the part cannot be written.
        """
        name = f"{PARTS}/part-{self._next:06d}-shard-{self._shard}.parquet"
        written = io.BytesIO()
        parquet.write_table(_table_of(rows), written, compression="zstd")
        try:
            self.place.write(name, written.getvalue(), is_new=True)
        except FileExistsError as error:
            raise AlreadyWrittenError(
                f"{self.place.url}/{name} was just written by another process: two of them work on "
                "the same shard. Stop one of them, or give each its own --shard NUMBER/SHARDS"
            ) from error
        self._next += 1
        self._write_line(name, rows)
        return name

    def _write_line(self, name: str, rows: list[dict]) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        line = {
            "part": name,
            "written": now,
            "clips": len(rows),
            "failed": sum(row["status"] == FAILED for row in rows),
            "doubtful": sum(bool(row.get("doubts")) for row in rows),
            "was_there": sum(row["was_there"] for row in rows),
            "cpu_seconds": round(sum(row["cpu_seconds"] for row in rows), 3),
        }
        self.place.write(_line_of(name), json.dumps(line).encode() + b"\n")

    def _read(self, name: str, columns: list[str] | None = None) -> pyarrow.Table:
        content = self.place.read(name)
        assert content is not None, f"{self.place.url}/{name} was there before"
        return parquet.read_table(pyarrow.BufferReader(content), columns=columns)


def read_archive(output: str) -> pyarrow.Table:
    """Read the rows of an archive, one for every path, in order of their paths.

    If a clip was segmented again, because its file has changed or because it had failed, the last
    row counts.

    Args:
        output: folder or URL of the results of `run_batch`.
    """
    table = ArchiveTable(Place(output))
    manifest = {
        name: json.loads(table.place.read(_line_of(name)) or b"{}") for name in table._found
    }
    names = sorted(table._found, key=lambda name: manifest[name].get("written", ""))
    rows = {row["path"]: row for name in names for row in table._read(name).to_pylist()}
    return _table_of(rows[path] for path in sorted(rows))


def _table_of(rows: Iterable[dict]) -> pyarrow.Table:
    """A table of rows, with the same types in every part; a failed clip has empty measures."""
    rows = list(rows)
    names = dict.fromkeys([*_OWN, *(name for name in COLUMNS if name != "clip")])
    names |= dict.fromkeys(name for row in rows for name in row)  # areas of the classes
    kinds = {name: pyarrow.float64() for name in names}
    kinds |= {name: pyarrow.string() for name in _TEXTS}
    kinds |= {name: pyarrow.int64() for name in _NUMBERS} | {"was_there": pyarrow.bool_()}
    return pyarrow.Table.from_pylist(rows, pyarrow.schema([(n, kinds[n]) for n in names]))


def _line_of(part: str) -> str:
    return part.replace(f"{PARTS}/", f"{MANIFEST}/").replace(".parquet", ".json")
