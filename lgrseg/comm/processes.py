"""Several processes, started by torchrun; alone, every function here is a no-op."""

import datetime
import os
import sys
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def init_from_env(device: torch.device) -> None:
    """Join the group that torchrun describes in the environment; nothing without torchrun.

    NCCL between GPUs, gloo between CPUs.
    """
    if "RANK" not in os.environ or dist.is_initialized():
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    # torchrun ends the others when one process dies. The timeout is for one that hangs; it must
    # leave time for the main process to write videos while the others wait.
    dist.init_process_group(backend, timeout=datetime.timedelta(minutes=30))


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


def show_bars() -> bool:
    """Whether progress bars are drawn: in the main process, where somebody watches."""
    return is_main_process() and sys.stderr.isatty()


def barrier() -> None:
    """Wait for all."""
    if _active():
        dist.barrier()


def all_gather_object(item: Any) -> list:
    """What every process has, in the order of ranks; pickled between our own processes."""
    if not _active():
        return [item]
    items = [None] * get_world_size()
    dist.all_gather_object(items, item)
    return items


def all_reduce_sum(tensor: Tensor) -> Tensor:
    """The sum over processes, written into `tensor` and returned."""
    if _active():
        dist.all_reduce(tensor)
    return tensor


def mean_over_processes(values: Mapping[str, float], device: torch.device) -> dict[str, Tensor]:
    """The mean of every number over processes, on the device; nothing waits for it."""
    numbers = torch.tensor(list(values.values()), dtype=torch.float64).to(device, non_blocking=True)
    means = all_reduce_sum(numbers) / get_world_size()
    return dict(zip(values, means.unbind(), strict=True))


def pick_device(name: str) -> torch.device:
    """The device of this process, from "auto", "cpu" or "cuda".

    Raises:
        ValueError: another name, or CUDA is asked for and not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    if name != "cuda":
        raise ValueError(f"train.device is auto, cpu or cuda, not {name!r}")
    if not torch.cuda.is_available():
        raise ValueError("train.device=cuda, but torch sees no CUDA device; use auto or cpu")
    if get_local_rank() >= torch.cuda.device_count():
        raise ValueError(
            f"process {get_local_rank()} of this machine has no GPU of its own: there are "
            f"{torch.cuda.device_count()}; start as many processes with torchrun --nproc-per-node"
        )
    device = torch.device("cuda", get_local_rank())
    torch.cuda.set_device(device)
    return device


def _active() -> bool:
    return dist.is_available() and dist.is_initialized()
