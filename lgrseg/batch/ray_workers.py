"""The same work on several machines, with the actors of Ray: `pip install 'lgrseg[ray]'`."""

import collections
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lgrseg.batch.local_workers import Lost, WorkersError
from lgrseg.batch.place import StorageError
from lgrseg.failures import describe_error


def run_with_ray(
    clips: Iterable,
    make: Callable[[int], Callable[[Any], dict]],
    *,
    workers: int,
    attempts: int,
    seconds_per_clip: float | None = None,
) -> Iterator[tuple[Any, dict | Lost]]:
    """Work on clips in actors of a Ray cluster, or of this machine if none is running.

    The arguments are those of `run_locally`. The address of a cluster is in RAY_ADDRESS. If the
    cluster has GPUs, every actor takes one. Clips and results must be where all machines see them.

    Yields:
        (clip, its row, or `Lost`), in the order in which they are ready.

    Raises:
        ValueError: `seconds_per_clip` is given, which Ray does not watch.
        WorkersError: the models cannot be loaded, or the results cannot be stored.
    """
    import ray

    if seconds_per_clip is not None:
        raise ValueError("a time limit for each clip works with local workers only, not with Ray")
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    has_gpu = ray.cluster_resources().get("GPU", 0) > 0
    actor_class = ray.remote(num_gpus=1 if has_gpu else 0)(_Actor)
    waiting, tried = iter(clips), collections.Counter[Any]()
    in_work: dict[Any, tuple[Any, Any]] = {}

    def give(actor: Any, clip: Any) -> None:
        tried[clip] += 1
        in_work[actor.segment.remote(clip)] = (actor, clip)

    for _, clip in zip(range(workers), waiting, strict=False):
        give(actor_class.remote(make), clip)
    while in_work:
        (ready, *_), _ = ray.wait(list(in_work), num_returns=1)
        actor, clip = in_work.pop(ready)
        result: dict | Lost
        try:
            result = ray.get(ready)
        except ray.exceptions.RayActorError as error:
            if isinstance(error, ray.exceptions.ActorDiedError) and "creation" in str(error):
                raise WorkersError(f"the models cannot be loaded: {error}") from error
            actor = actor_class.remote(make)
            if tried[clip] < attempts:
                give(actor, clip)
                continue
            reason = describe_error(error)
            result = Lost(f"its worker ended at {tried[clip]} of {tried[clip]} attempts: {reason}")
        except ray.exceptions.RayTaskError as error:
            raise WorkersError(str(error.cause)) from error
        del tried[clip]
        yield clip, result
        for following in waiting:
            give(actor, following)
            break


class _Actor:
    """One worker; Ray runs it in a process of its own."""

    def __init__(self, make: Callable[[int], Callable[[Any], dict]]):
        self._segment = make(0)  # Ray shows each actor its own GPU only

    def segment(self, clip: Any) -> dict:
        """Give the row of a clip; the process ends if memory runs out, and a new one tries it."""
        try:
            return self._segment(clip)
        except StorageError:
            raise
        except MemoryError:
            import os

            os._exit(1)
