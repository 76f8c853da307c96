"""A data loader's worker processes, from their start to their certain end."""

import contextlib
import multiprocessing
import signal
from collections.abc import Iterable, Iterator

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def batches_of(loader: Iterable) -> Iterator[Iterator]:
    """Iterate over a loader whose workers outlive SIGTERM and Ctrl-C until the block ends.

    Clusters and terminals signal all processes of a run. A worker that ends by it raises an error
    in this process, in the middle of anything, and nothing could be saved.
    """
    before = set(multiprocessing.active_children())
    with _signals_held_back():
        batches = iter(loader)
    workers = set(multiprocessing.active_children()) - before
    try:
        yield batches
    finally:
        # Not left to garbage collection: an error's traceback may keep the iterator alive, and
        # Python waits at its exit for workers that do not hear SIGTERM.
        if workers and hasattr(batches, "_shutdown_workers"):
            batches._shutdown_workers()
        for worker in workers:
            worker.kill()


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
