"""Several processes, started by torchrun; alone, every function here is a no-op."""

import datetime
import os
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def init_from_env(device: torch.device) -> None:
    """Join the group that torchrun describes in the environment; nothing without torchrun."""
    if "RANK" not in os.environ or dist.is_initialized():
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    # A process that died leaves the others waiting in a collective: not for half an hour.
    dist.init_process_group(backend, timeout=datetime.timedelta(minutes=10))


def close() -> None:
    """Leave the group."""
    if _active():
        dist.destroy_process_group()


def get_rank() -> int:
    """This process's number, 0 alone."""
    return dist.get_rank() if _active() else 0


def get_world_size() -> int:
    """How many processes there are, 1 alone."""
    return dist.get_world_size() if _active() else 1


def get_local_rank() -> int:
    """This process's number on its machine: the index of its GPU."""
    return int(os.environ.get("LOCAL_RANK", 0))


def is_main_process() -> bool:
    """Whether this process writes files and speaks."""
    return get_rank() == 0


def barrier() -> None:
    """Wait for all."""
    if _active():
        dist.barrier()


def all_gather_object(item: Any) -> list:
    """What every process has, in the order of ranks. Items are pickled between our own processes."""
    if not _active():
        return [item]
    items = [None] * get_world_size()
    dist.all_gather_object(items, item)
    return items


def all_reduce_sum(tensor: Tensor) -> Tensor:
    """The sum over processes."""
    if _active():
        dist.all_reduce(tensor)
    return tensor


def _active() -> bool:
    return dist.is_available() and dist.is_initialized()
