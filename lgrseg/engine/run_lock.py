"""A lock file `run.lock`, so that only one process writes into a run's folder."""

import dataclasses
import datetime
import json
import logging
import os
import socket
import time
from pathlib import Path

from lgrseg.comm import processes as distributed

logger = logging.getLogger("lgrseg")

NAME = "run.lock"


class RunFolderError(ValueError):
    """The run's folder is not writable, or another process writes into it."""


@dataclasses.dataclass(frozen=True)
class Holder:
    """The process that holds a lock."""

    host: str
    boot: str
    """Boot identifier of the machine, new after a restart; empty if unknown."""
    pid: int
    begin: str
    """Start time of the process, to detect a new process with the same number."""
    since: str
    """Time at which it took the lock, for messages."""

    @classmethod
    def this_process(cls) -> "Holder":
        """Describe this process."""
        now = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        return cls(socket.gethostname(), _boot(), os.getpid(), _begin(os.getpid()), now)

    def has_ended(self) -> bool:
        """True if the process has certainly ended; always False for another machine."""
        if self.host != socket.gethostname():
            return False
        if self.boot != _boot():
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # the process exists and belongs to another user
        return self.begin != _begin(self.pid)


class RunLock:
    """Lock of a run folder, used as `with lock:`; it is reentrant.

    With torchrun, the main process holds it. The lock of a killed process is taken over.
    """

    def __init__(self, folder: Path):
        """`folder` is created when the lock is taken."""
        self.path = Path(folder) / NAME
        self._depth = 0

    def __enter__(self) -> "RunLock":
        """Take the lock.

        Raises:
            RunFolderError: another process has the lock, or the folder is not writable.
        """
        if self._depth == 0 and distributed.is_main_process():
            self._take()
        self._depth += 1
        return self

    def __exit__(self, *error) -> None:
        """Release the lock."""
        self._depth -= 1
        if self._depth == 0 and distributed.is_main_process():
            if self.path.is_file() and self.path.read_text(encoding="utf-8") == self._text:
                self.path.unlink()

    def _take(self) -> None:
        self._text = json.dumps(dataclasses.asdict(Holder.this_process()))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            while not self._write():
                self._remove_if_its_process_ended()
        except OSError as error:
            raise RunFolderError(
                f"{self.path.parent} cannot be written to ({error.strerror or error}); "
                "choose another folder with train.output_dir=..."
            ) from error

    def _write(self) -> bool:
        """Create the lock; False if there is one already."""
        try:
            file = open(self.path, "x", encoding="utf-8")
        except FileExistsError:
            return False
        try:
            with file:
                file.write(self._text)
        except OSError:  # a full disk
            self.path.unlink()
            raise
        return True

    def _remove_if_its_process_ended(self) -> None:
        try:
            text = self._read()
        except FileNotFoundError:
            return  # it was released meanwhile
        try:
            holder = Holder(**json.loads(text))
        except (TypeError, ValueError):
            holder = None  # truncated: a full disk or a power failure
        if holder is not None and not holder.has_ended():
            raise RunFolderError(_message(self.path, holder))
        # Rename it first: if another process was faster, this is its new lock, not the old one.
        aside = self.path.with_name(f".{NAME}.{os.getpid()}")
        try:
            self.path.rename(aside)
        except FileNotFoundError:
            return
        if aside.read_text(encoding="utf-8", errors="replace") == text:
            logger.info("%s was left by a process that has ended: taken over", self.path)
            aside.unlink()
        else:
            aside.rename(self.path)

    def _read(self) -> str:
        text = self.path.read_text(encoding="utf-8", errors="replace")
        if not text:  # its process may be writing it
            time.sleep(0.2)
            text = self.path.read_text(encoding="utf-8", errors="replace")
        return text


def _message(path: Path, holder: Holder) -> str:
    who = f"process {holder.pid} on {holder.host}, since {holder.since}"
    if holder.host == socket.gethostname():
        remedy = "wait until it has ended"
    else:
        remedy = (
            "wait until it has ended. If you are sure that it has ended, which cannot be checked "
            f"from this machine, delete {path}"
        )
    return (
        f"{path.parent} is in use by {who}: {remedy}; or choose another folder with "
        "train.output_dir=..."
    )


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _begin(pid: int) -> str:
    """Start time of a process in clock ticks since boot; empty if it has ended.

    It is also empty for all processes if the system does not provide it (macOS).
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # After the command's name (any text) comes the state (Z: ended, but not yet reaped by its
    # parent), and 19 fields later the start time.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]
