"""Two forks of the test's process, set up as torchrun sets up the processes that it starts."""

import multiprocessing
import os
import socket

import torch

from lgrseg.comm import processes as distributed


def in_two_processes(task, *args):
    """What `task(*args)` returns in each of two processes that torchrun might have started."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [
        context.Process(target=_as_rank, args=(rank, port, queue, task, args)) for rank in (0, 1)
    ]
    for process in processes:
        process.start()
    results = dict(queue.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
    return [results[0], results[1]]


def _as_rank(rank, port, queue, task, args):
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2",
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
    )  # fmt: skip
    torch.set_num_threads(1)
    try:
        queue.put((rank, task(*args)))
    finally:
        distributed.close()
