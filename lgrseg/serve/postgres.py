"""The table of jobs in PostgreSQL, for services on several machines: connections, transactions."""

import errno
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row

from lgrseg.serve.job_store import CannotWrite
from lgrseg.serve.sql_rows import schema_of

ADDING = 5_721_001
"""Number of the lock under which jobs are added; any number that nothing else uses."""


@contextmanager
def says_why() -> Iterator[None]:
    """Turn errors of the server and the connection into CannotWrite."""
    try:
        yield
    except psycopg.OperationalError as error:
        full = isinstance(error, psycopg.errors.DiskFull)
        number = errno.ENOSPC if full else errno.EBUSY
        raise CannotWrite(number, f"the table of jobs: {error}") from error


class PostgresConnection:
    """One connection; values stand as ? in its statements."""

    def __init__(self, url: str):
        """Connect.

        Raises:
            CannotWrite: the server does not answer.
        """
        self.url = url
        self.raw = self._connect()

    def _connect(self) -> psycopg.Connection[dict[str, Any]]:
        with says_why():
            return psycopg.connect(
                self.url, autocommit=True, row_factory=dict_row, connect_timeout=10
            )

    def execute(self, query: str, values: Sequence[Any] = (), /) -> psycopg.Cursor[dict[str, Any]]:
        """Run one statement.

        Raises:
            CannotWrite: the server does not answer.
        """
        with says_why():
            return self.raw.execute(query.replace("?", "%s").encode(), values)

    def revive(self) -> None:
        """Make a lost connection again; whether it is lost is known only after a question."""
        try:
            self.raw.execute("SELECT 1")
        except psycopg.OperationalError:
            self.raw.close()
            self.raw = self._connect()


class PostgresDatabase:
    """A database; every thread has a connection of its own."""

    frames = "(meta::json #>> '{shape,0}')::integer"
    for_update, skip_locked = "FOR UPDATE", "SKIP LOCKED"
    lock_adding = f"SELECT pg_advisory_xact_lock({ADDING})"

    def __init__(self, url: str):
        """Connect, and make the tables if they are missing.

        Args:
            url: address as "postgresql://USER:PASSWORD@HOST/NAME".

        Raises:
            CannotWrite: the database does not answer.
        """
        self.url = url
        self._of_thread = threading.local()
        with self.writing() as transaction:
            transaction.execute(self.lock_adding)
            for statement in schema_of("BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"):
                transaction.execute(statement)

    def reading(self) -> PostgresConnection:
        """The connection of this thread.

        Raises:
            CannotWrite: the server does not answer.
        """
        connection = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = self._of_thread.connection = PostgresConnection(self.url)
        else:
            connection.revive()
        return connection

    @contextmanager
    def writing(self) -> Iterator[PostgresConnection]:
        """A transaction, see `Database.writing`."""
        connection = self.reading()
        with says_why(), connection.raw.transaction():
            yield connection
