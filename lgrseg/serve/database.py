"""What a database must offer to hold the table of jobs, and which of them the settings want."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

Row = Any
"""A row whose values are found by the names of its columns."""


class Answer(Protocol):
    """What a statement gives."""

    def fetchone(self) -> Row | None:
        """The next row."""

    def fetchall(self) -> list[Row]:
        """All rows."""


class Transaction(Protocol):
    """Statements that become true together, or not at all; values stand as ?."""

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Answer:
        """Run one statement."""


class Database(Protocol):
    """A durable database for any number of processes and threads."""

    frames: str
    """SQL for the number of frames of a job, which is in its column `meta`."""
    for_update: str
    """SQL that locks the selected rows; empty where a transaction locks the whole table."""
    skip_locked: str
    """SQL that leaves out rows which another transaction has locked."""
    lock_adding: str
    """Statement that lets other transactions with it wait; empty where all wait anyway."""

    def reading(self) -> Transaction:
        """Statements that change nothing."""

    def writing(self) -> AbstractContextManager[Transaction]:
        """A transaction.

        Raises:
            CannotWrite: the disk is full, or the database does not answer. Nothing was changed.
        """
