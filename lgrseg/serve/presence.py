"""Which supervisors are alive: each holds a lock on a file, which the system ends with the process.

    DATA/supervisors/ID.lock

So it is known after kill -9, and after a stop of the machine, that a supervisor has ended; times
and process numbers could not tell. The names of its workers begin with its ID.
"""

import fcntl
import os
import secrets
from pathlib import Path


class Presence:
    """The lock of one supervisor, held until the process ends."""

    def __init__(self, data: Path):
        """Lock a new file."""
        self.id = secrets.token_hex(4)
        self.folder = data / "supervisors"
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        hidden = self.folder / f".{self.id}"
        self._file = os.open(hidden, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        hidden.rename(self.folder / f"{self.id}.lock")  # nobody sees it without its lock

    def ended(self) -> list[str]:
        """IDs of the supervisors that ended without a word; `forget` them when that is handled."""
        others = (file for file in self.folder.glob("*.lock") if file.stem != self.id)
        return [file.stem for file in others if _is_free(file)]

    def forget(self, supervisor: str) -> None:
        """Delete the file of a supervisor that has ended."""
        (self.folder / f"{supervisor}.lock").unlink(missing_ok=True)


def _is_free(file: Path) -> bool:
    try:
        descriptor = os.open(file, os.O_RDWR)
    except FileNotFoundError:
        return False  # another supervisor has handled it
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
