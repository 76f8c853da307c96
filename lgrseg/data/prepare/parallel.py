"""One task for many videos, in several processes, none of which can take the others with it."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

Item = TypeVar("Item")
KILLED = "the process that read it was killed; it may need more memory than there is"
"""Why there is no result where `in_parallel` gives None."""


def in_parallel(
    task: Callable[[Item], Any], items: list[Item], num_workers: int
) -> Iterator[tuple[Item, Any]]:
    """Every item with the task's result, as they are done; None where it killed its process.

    A process that is killed (for memory, most often) takes the whole pool with it. Nobody can tell
    whose fault it was, so what was lost is tried again, each alone.
    """
    lost = []
    for item, future in _futures(task, items, max(1, num_workers)):
        if isinstance(future.exception(), BrokenProcessPool):
            lost.append(item)
        else:
            yield item, future.result()
    for item in lost:
        for _, future in _futures(task, [item], 1):
            killed = isinstance(future.exception(), BrokenProcessPool)
            yield item, (None if killed else future.result())


def _futures(task, items: list, num_workers: int) -> Iterator[tuple[Any, Future]]:
    pool = ProcessPoolExecutor(num_workers)
    try:
        futures = {_submit(pool, task, item): item for item in items}
        for future in as_completed(futures):
            yield futures[future], future
    finally:
        # On an interruption only the items at hand are waited for, not all that are in the queue.
        pool.shutdown(cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, task, item) -> Future:
    try:
        return pool.submit(task, item)
    except BrokenProcessPool as error:  # broken by an earlier item
        failed: Future[Any] = Future()
        failed.set_exception(error)
        return failed
