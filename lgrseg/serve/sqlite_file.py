"""One SQLite file for any number of processes and threads: connections and transactions."""

import errno
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lgrseg.serve.job_store import CannotWrite
from lgrseg.serve.sql_rows import schema_of


class SqliteFile:
    """The table of jobs in a durable file, for one machine; every thread has its own connection.

    SQLite on a network disk is not safe.
    """

    frames = "json_extract(meta, '$.shape[0]')"
    for_update = skip_locked = lock_adding = ""

    def __init__(self, file: Path):
        """Open the file, and make it and its tables if they are missing."""
        self.file = file
        self._of_thread = threading.local()
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
        for statement in schema_of("INTEGER PRIMARY KEY AUTOINCREMENT"):
            self.reading().execute(statement)

    def reading(self) -> sqlite3.Connection:
        """The connection of this thread."""
        connection = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.file, timeout=30, isolation_level=None)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            self._of_thread.connection = connection
        return connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that no other process writes beside.

        Raises:
            CannotWrite: the disk is full, or others write for too long. Nothing was changed.
        """
        try:
            connection = self.reading()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # some errors, such as a full disk, end it
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            full = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL
            number = errno.ENOSPC if full else errno.EBUSY
            raise CannotWrite(number, f"the table of jobs: {error}") from error
