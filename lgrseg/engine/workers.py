"""A data loader's worker processes, from their start to their certain end."""

import contextlib
import multiprocessing
import multiprocessing.connection
import re
import signal
import threading
from collections.abc import Iterable, Iterator
from multiprocessing.process import BaseProcess

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_PATIENCE = 5.0
"""Seconds in which workers may end by themselves."""


class WorkerEndedError(RuntimeError):
    """A loader's worker process was killed, crashed or ran out of memory."""


@contextlib.contextmanager
def batches_of(loader: Iterable) -> Iterator[Iterator]:
    """Iterate over a loader whose workers outlive SIGTERM and Ctrl-C until the block ends.

    Clusters and terminals signal all processes of a run. A worker that ends by it raises an error
    in this process, in the middle of anything, and nothing could be saved.

    An error in a worker is raised here as if it had happened here, without torch's account of it.

    Raises:
        WorkerEndedError: a worker ended anyhow; as an error of the block, which may be any then.
    """
    before = set(multiprocessing.active_children())
    with _signals_held_back():
        batches = iter(loader)
    workers = set(multiprocessing.active_children()) - before
    try:
        yield batches
    except Exception as error:
        if raised := _raised_by_worker(error):
            raise _with_notes(raised, error) from error
        if not isinstance(error, (EOFError, OSError, RuntimeError)):
            raise
        # A worker's death shows as a reset connection, a missing socket, or torch's own error.
        with deaf_to_children():
            statuses = _statuses_of_ended(workers)
        if not statuses:
            raise
        ended = WorkerEndedError(
            f"{len(statuses)} of {len(workers)} worker processes of the data loader ended, with "
            f"exit status {statuses[0]} (-9 is mostly want of memory: take fewer num_workers or a "
            "smaller batch)"
        )
        raise _with_notes(ended, error) from error
    finally:
        if workers:
            with deaf_to_children():
                _end(batches, workers)


def _with_notes(error: Exception, earlier: Exception) -> Exception:
    for note in getattr(earlier, "__notes__", ()):
        error.add_note(note)
    return error


def _raised_by_worker(error: Exception) -> Exception | None:
    """The error that a worker raised, which torch hands over with a traceback for a message."""
    if "in DataLoader worker process" not in str(error):
        return None
    told = re.findall(r"^[\w.]*?(\w+): (.*)$", str(error), re.MULTILINE)
    if not told:
        return None
    name, message = told[-1]
    if name == type(error).__name__:
        return type(error)(message)
    return WorkerEndedError(f"{name}: {message}")  # of a kind that torch could not make again


def _statuses_of_ended(workers: set[BaseProcess]) -> list[int]:
    sentinels = {worker.sentinel: worker for worker in workers}
    for sentinel in multiprocessing.connection.wait(list(sentinels), timeout=1):
        sentinels[sentinel].join(timeout=1)  # its pipes close a moment before its status is there
    return [worker.exitcode for worker in workers if worker.exitcode]


def _end(batches: Iterator, workers: set[BaseProcess]) -> None:
    # Not left to garbage collection: an error's traceback may keep the iterator alive, and Python
    # waits at its exit for workers, which do not hear SIGTERM. In a thread, because it waits for
    # ever where a worker was killed while it held the lock of their common event.
    shutdown = getattr(batches, "_shutdown_workers", lambda: None)
    closer = threading.Thread(target=shutdown, daemon=True)
    closer.start()
    closer.join(timeout=_PATIENCE)
    for worker in workers:
        worker.kill()
    closer.join(timeout=_PATIENCE)


@contextlib.contextmanager
def deaf_to_children() -> Iterator[None]:
    """Inside, a child's end raises nothing: torch's handler of SIGCHLD does, at any line."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "SIGCHLD"):
        yield
        return
    before = signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, before or signal.SIG_DFL)


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """Processes started inside never see the signals; this one sees them afterwards."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
