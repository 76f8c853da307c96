"""One process writes into a run's folder at a time: `run.lock` names it while it does."""

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
    """The run's folder cannot be written to, or another process does; the message says which."""


@dataclasses.dataclass(frozen=True)
class Holder:
    """The process that holds a lock."""

    host: str
    boot: str
    """Of the machine: another one after a restart; empty where the system does not tell."""
    pid: int
    begin: str
    """When the process began: another one where the number was given to a new process."""
    since: str
    """When it took the lock, for people."""

    @classmethod
    def this_process(cls) -> "Holder":
        """Who would take a lock now."""
        now = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        return cls(socket.gethostname(), _boot(), os.getpid(), _begin(os.getpid()), now)

    def has_ended(self) -> bool:
        """Whether it is certain that the process runs no more; on another machine it never is."""
        if self.host != socket.gethostname():
            return False
        if self.boot != _boot():
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # of another user, so it is there
        return self.begin != _begin(self.pid)


class RunLock:
    """Inside `with lock:` the folder is this run's alone; entering it again inside is allowed.

    Of several processes that torchrun started the main one holds it. A lock whose process was
    killed is taken over.
    """

    def __init__(self, folder: Path):
        """`folder` is made when the lock is taken."""
        self.path = Path(folder) / NAME
        self._depth = 0

    def __enter__(self) -> "RunLock":
        """Take the lock.

        Raises:
            RunFolderError: another process has it, or may have it; or nothing can be written here.
        """
        if self._depth == 0 and distributed.is_main_process():
            self._take()
        self._depth += 1
        return self

    def __exit__(self, *error) -> None:
        """Give it back."""
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
                "train.output_dir=... names another folder"
            ) from error

    def _write(self) -> bool:
        """Whether there was no lock, so that it is this process's now."""
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
            return  # given back this moment
        try:
            holder = Holder(**json.loads(text))
        except (TypeError, ValueError):
            holder = None  # written by half: a full disk, or a machine that lost its power
        if holder is not None and not holder.has_ended():
            raise RunFolderError(_message(self.path, holder))
        # Renamed first: where another process was faster, this is its new lock and not the old one.
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
        if not text:  # its process may be about to write it
            time.sleep(0.2)
            text = self.path.read_text(encoding="utf-8", errors="replace")
        return text


def _message(path: Path, holder: Holder) -> str:
    who = f"process {holder.pid} on {holder.host}, since {holder.since}"
    if holder.host == socket.gethostname():
        remedy = "wait until it has ended"
    else:
        remedy = (
            f"wait until it has ended; if you know that it has (from here that cannot be seen), "
            f"delete {path}"
        )
    return (
        f"{path.parent} is in use by {who}: {remedy}, or name another folder with "
        "train.output_dir=..."
    )


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _begin(pid: int) -> str:
    """Clock ticks from the machine's start to the process's; empty where it has ended.

    Also empty where the system does not tell (macOS), for every process alike.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # After the command's name, which may hold anything: the state (Z: killed, and its parent has
    # not asked yet), and 19 fields later the time.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]
