"""Runs a task for many videos in several processes; if one is killed, the others go on."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

Item = TypeVar("Item")
KILLED = "the process that read it was killed; it may need more memory than there is"
"""Reason to report for an item without a result from `in_parallel`."""


def in_parallel(
    task: Callable[[Item], Any], items: list[Item], num_workers: int
) -> Iterator[tuple[Item, Any]]:
    """Yield every item with its result as it is done; None if its process was killed.

    If a process is killed, mostly for lack of memory, Python stops the whole pool. Which item was
    the cause is not known, so all unfinished items are tried again, each in a process of its own.
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
        # After an interruption, wait only for the items in progress, not for the whole queue.
        pool.shutdown(cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, task, item) -> Future:
    try:
        return pool.submit(task, item)
    except BrokenProcessPool as error:  # broken by an earlier item
        failed: Future[Any] = Future()
        failed.set_exception(error)
        return failed
