"""Worker processes on one machine; one that is killed is replaced, and its clip is tried again.

`concurrent.futures.ProcessPoolExecutor` ends with its first killed worker, so it is not used.
"""

import collections
import contextlib
import multiprocessing
import multiprocessing.connection
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from lgrseg.batch.place import StorageError
from lgrseg.failures import describe_error

MOST_FAILED_STARTS = 3
"""Number of workers that may end one after the other before they are ready."""


@dataclass(frozen=True)
class Lost:
    """A clip whose worker ended at every attempt."""

    reason: str


class WorkersError(RuntimeError):
    """The workers cannot start, or cannot store results."""


@dataclass
class _Worker:
    process: SpawnProcess
    connection: Connection
    number: int
    is_ready: bool = False
    clip: Any = None
    since: float = 0.0
    reason: str = ""


def run_locally(
    clips: Iterable,
    make: Callable[[int], Callable[[Any], dict]],
    *,
    workers: int,
    attempts: int,
    seconds_per_clip: float | None = None,
) -> Iterator[tuple[Any, dict | Lost]]:
    """Work on clips in several processes.

    Args:
        clips: clips, which can be pickled; each is taken when a worker is free.
        make: function that a new worker process calls with its number, from 0, and that gives the
            function from a clip to its row; it can be pickled.
        workers: number of processes.
        attempts: number of times that a clip is tried whose worker was killed or ran out of memory.
        seconds_per_clip: time after which the worker of a clip is killed; None for no limit.

    Yields:
        (clip, its row, or `Lost`), in the order in which they are ready.

    Raises:
        WorkersError: the workers cannot start, or the results cannot be stored.
    """
    crew = _Crew(clips, make, attempts, seconds_per_clip)
    try:
        crew.start(workers)
        while crew.has_work():
            yield from crew.step()
    finally:
        crew.end()


class _Crew:
    """The workers and the clips they have."""

    def __init__(self, clips, make, attempts, seconds_per_clip):
        self.clips, self.make = iter(clips), make
        self.attempts, self.limit = attempts, seconds_per_clip
        self.again: collections.deque = collections.deque()
        self.tried: collections.Counter = collections.Counter()
        self.workers: list[_Worker] = []
        self.failed_starts = 0

    def start(self, workers: int) -> None:
        for number in range(workers):
            try:
                self.again.append(next(self.clips))  # no more processes than clips
            except StopIteration:
                break
            self.workers.append(self._new(number))

    def has_work(self) -> bool:
        if not self.again:
            with contextlib.suppress(StopIteration):
                self.again.append(next(self.clips))
        return bool(self.again) or any(worker.clip is not None for worker in self.workers)

    def step(self) -> Iterator[tuple[Any, dict | Lost]]:
        """Give clips to free workers, wait for a message, and yield what it says."""
        for worker in self.workers:
            if worker.is_ready and worker.clip is None and self.has_work() and self.again:
                worker.clip, worker.since = self.again.popleft(), time.monotonic()
                self.tried[worker.clip] += 1
                with contextlib.suppress(OSError):  # if it has just ended, that is seen below
                    worker.connection.send(worker.clip)
        connections = [worker.connection for worker in self.workers]
        ready = multiprocessing.connection.wait(connections, timeout=1)
        for place, worker in enumerate(self.workers):
            if worker.connection in ready:
                yield from self._hear(place, worker)
            elif self.limit and worker.clip and time.monotonic() - worker.since > self.limit:
                worker.reason = f"it took longer than {self.limit:g} s"
                worker.process.kill()  # heard in the next step

    def _hear(self, place: int, worker: _Worker) -> Iterator[tuple[Any, dict | Lost]]:
        try:
            kind, content = worker.connection.recv()
        except (EOFError, OSError):
            kind, content = "ended", ""
        if kind == "ready":
            worker.is_ready, self.failed_starts = True, 0
        elif kind == "row":
            clip, worker.clip = worker.clip, None
            del self.tried[clip]
            yield clip, content
        elif kind == "stop":
            raise WorkersError(content)
        elif kind == "memory":
            worker.reason = content  # it ends now, and is replaced when its connection closes
        else:
            yield from self._replace(place, worker)

    def _replace(self, place: int, worker: _Worker) -> Iterator[tuple[Any, Lost]]:
        worker.process.join(timeout=10)
        worker.connection.close()
        reason = worker.reason or _describe_end(worker.process.exitcode)
        if not worker.is_ready:
            self.failed_starts += 1
            if self.failed_starts >= MOST_FAILED_STARTS:
                raise WorkersError(
                    f"{self.failed_starts} workers ended while they started: {reason}"
                )
        self.workers[place] = self._new(worker.number)
        clip = worker.clip
        if clip is None:
            return
        if self.tried[clip] < self.attempts:
            self.again.appendleft(clip)
        else:
            tried = self.tried.pop(clip)
            yield clip, Lost(f"its worker ended at {tried} of {tried} attempts: {reason}")

    def _new(self, number: int) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self.make, number), daemon=True)
        process.start()
        theirs.close()  # so that ours is closed when the process ends
        return _Worker(process, ours, number)

    def end(self) -> None:
        """Let free workers end by themselves, and kill the others."""
        for worker in self.workers:
            worker.connection.close()
            if worker.clip is not None or not worker.is_ready:
                worker.process.kill()
        for worker in self.workers:
            worker.process.join(timeout=10)
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()


def _work(connection: Connection, make: Callable[[int], Callable[[Any], dict]], number: int):
    """Body of a worker process; it ends when the driver does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver
    with contextlib.suppress(BrokenPipeError, EOFError, ConnectionResetError):
        try:
            segment = make(number)
        except Exception as error:
            connection.send(("stop", f"the models cannot be loaded: {describe_error(error)}"))
            return
        connection.send(("ready", None))
        while True:
            clip = connection.recv()
            try:
                connection.send(("row", segment(clip)))
            except StorageError as error:
                connection.send(("stop", describe_error(error)))
                return
            except MemoryError as error:
                connection.send(("memory", f"out of memory: {describe_error(error)}"))
                return


def _describe_end(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        hint = " (often because memory ran out)" if name == "SIGKILL" else ""
        return f"it was ended by {name}{hint}"
    return f"it ended with status {exit_code}"
