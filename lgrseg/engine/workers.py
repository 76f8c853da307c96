"""Starts and reliably ends the worker processes of a data loader."""

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
"""Seconds to wait for workers to end by themselves."""


class WorkerEndedError(RuntimeError):
    """A loader's worker process was killed, crashed or ran out of memory."""


@contextlib.contextmanager
def batches_of(loader: Iterable) -> Iterator[Iterator]:
    """Iterate over a loader whose workers ignore SIGTERM and Ctrl-C until the block ends.

    Clusters and terminals send signals to all processes of a run. If a worker ended by a signal, an
    error would be raised in this process at any time, so the run could not be saved.

    An error in a worker is raised here with its own type and message, without torch's wrapper.

    Raises:
        WorkerEndedError: a worker ended nevertheless; it replaces other errors of the block.
    """
    children_before = set(multiprocessing.active_children())
    with _signals_held_back():
        batches = iter(loader)
    workers = set(multiprocessing.active_children()) - children_before
    try:
        yield batches
    except Exception as error:
        if raised := _raised_by_worker(error):
            raise _with_notes(raised, error) from error
        if not isinstance(error, (EOFError, OSError, RuntimeError)):
            raise
        # If a worker ends, the error is a reset connection, a missing socket, or torch's own error.
        with deaf_to_children():
            statuses = _statuses_of_ended(workers)
        if not statuses:
            raise
        ended = WorkerEndedError(
            f"{len(statuses)} of {len(workers)} worker processes of the data loader ended, with "
            f"exit status {statuses[0]} (-9 usually means that memory ran out: use fewer "
            "num_workers or a smaller batch)"
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
    """The original error of a worker, parsed from torch's message with the traceback."""
    if "in DataLoader worker process" not in str(error):
        return None
    matches = re.findall(r"^[\w.]*?(\w+): (.*)$", str(error), re.MULTILINE)
    if not matches:
        return None
    name, message = matches[-1]
    if name == type(error).__name__:
        return type(error)(message)
    return WorkerEndedError(f"{name}: {message}")  # a type that torch cannot recreate


def _statuses_of_ended(workers: set[BaseProcess]) -> list[int]:
    ended = multiprocessing.connection.wait([worker.sentinel for worker in workers], timeout=1)
    for worker in workers:
        if worker.sentinel in ended:
            worker.join(timeout=1)  # its status is available shortly after its pipes are closed
    return [worker.exitcode for worker in workers if worker.exitcode]


def _end(batches: Iterator, workers: set[BaseProcess]) -> None:
    # Not left to garbage collection: a traceback may keep the iterator alive, and at its exit
    # Python waits for workers, which ignore SIGTERM. This is done in a thread, because it waits
    # forever if a worker was killed while it held the lock of their shared event.
    shutdown = getattr(batches, "_shutdown_workers", lambda: None)
    closer = threading.Thread(target=shutdown, daemon=True)
    closer.start()
    closer.join(timeout=_PATIENCE)
    for worker in workers:
        worker.kill()
    closer.join(timeout=_PATIENCE)


@contextlib.contextmanager
def deaf_to_children() -> Iterator[None]:
    """Context without torch's SIGCHLD handler, which raises errors at any line if a child ends."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "SIGCHLD"):
        yield
        return
    old_handler = signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, old_handler or signal.SIG_DFL)


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """Context in which started processes block stop signals; this process gets them afterwards."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    old_mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old_mask)
