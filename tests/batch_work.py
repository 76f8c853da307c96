"""Work for the worker processes of tests/batch: light, so that a new process starts at once."""

import os
import signal
import time
from pathlib import Path

from lgrseg.batch.place import StorageError


class Square:
    """Squares numbers; some words make its process end in one of the ways that happen."""

    def __init__(self, notes: Path, number: int):
        self.notes = notes
        if notes.name == "cannot_start":
            raise OSError("there are no weights")
        if notes.name == "dies_at_start":
            os.kill(os.getpid(), signal.SIGKILL)

    def __call__(self, clip):
        with open(self.notes, "a") as file:
            file.write(f"{clip}\n")
        if clip == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if clip == "killed once" and self.notes.read_text().count(clip) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if clip == "no memory":
            raise MemoryError("the GPU is full")
        if clip == "no disk":
            raise StorageError("the disk is full")
        if clip == "slow":
            time.sleep(60)
        return {"square": clip * clip} if isinstance(clip, int) else {"clip": clip}
