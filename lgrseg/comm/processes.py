"""Communication between processes started by torchrun; a single process needs none."""

import datetime
import os
import sys
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def init_from_env(device: torch.device) -> None:
    """Join the process group that torchrun describes in the environment; do nothing without it.

    The backend is NCCL between GPUs and gloo between CPUs.
    """
    if "RANK" not in os.environ or dist.is_initialized():
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    # If one process dies, torchrun stops the others. The timeout is for a process that hangs; it
    # must be long enough for the main process to write videos while the others wait.
    dist.init_process_group(backend, timeout=datetime.timedelta(minutes=30))


def close() -> None:
    """Leave the process group."""
    if _active():
        dist.destroy_process_group()


def get_rank() -> int:
    """The rank of this process; 0 for a single process."""
    return dist.get_rank() if _active() else 0


def get_world_size() -> int:
    """The number of processes."""
    return dist.get_world_size() if _active() else 1


def get_local_rank() -> int:
    """The rank of this process on its machine, which is the index of its GPU."""
    return int(os.environ.get("LOCAL_RANK", 0))


def is_main_process() -> bool:
    """True for the process that writes files and logs."""
    return get_rank() == 0


def show_bars() -> bool:
    """True if progress bars are shown: in the main process, on a terminal."""
    return is_main_process() and sys.stderr.isatty()


def barrier() -> None:
    """Wait until all processes arrive here."""
    if _active():
        dist.barrier()


def all_gather_object(item: Any) -> list:
    """Gather an object of every process, in the order of ranks; it is pickled for this."""
    if not _active():
        return [item]
    items = [None] * get_world_size()
    dist.all_gather_object(items, item)
    return items


def all_reduce_sum(tensor: Tensor) -> Tensor:
    """Sum a tensor over processes, in place, and return it."""
    if _active():
        dist.all_reduce(tensor)
    return tensor


def gather_with_gradient(tensor: Tensor) -> Tensor:
    """Join the tensors of all processes along the first dimension, in the order of ranks.

    All have the same shape. The gradient of each part goes back to the process that it came from,
    and is the sum of the gradients that all processes computed for it. So if every process computes
    the same loss from the result, its gradient is multiplied by their number; the mean over
    processes, which DistributedDataParallel computes, undoes this.
    """
    return _Gather.apply(tensor) if _active() else tensor


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        parts = [torch.empty_like(tensor) for _ in range(get_world_size())]
        dist.all_gather(parts, tensor.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        return all_reduce_sum(gradient.clone()).chunk(get_world_size())[get_rank()]


def mean_over_processes(values: Mapping[str, float], device: torch.device) -> dict[str, Tensor]:
    """Mean of every number over processes, on the device; the CPU does not wait for it."""
    numbers = torch.tensor(list(values.values()), dtype=torch.float64).to(device, non_blocking=True)
    means = all_reduce_sum(numbers) / get_world_size()
    return dict(zip(values, means.unbind(), strict=True))


def pick_device(name: str) -> torch.device:
    """The device of this process for "auto", "cpu" or "cuda".

    Raises:
        ValueError: the name is none of these, or CUDA is requested but not available.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    if name != "cuda":
        raise ValueError(f"train.device must be auto, cpu or cuda, not {name!r}")
    if not torch.cuda.is_available():
        raise ValueError("train.device=cuda, but torch sees no CUDA device; use auto or cpu")
    if get_local_rank() >= torch.cuda.device_count():
        raise ValueError(
            f"process {get_local_rank()} of this machine needs its own GPU, but there are only "
            f"{torch.cuda.device_count()}; set torchrun --nproc-per-node to this number"
        )
    device = torch.device("cuda", get_local_rank())
    torch.cuda.set_device(device)
    return device


def _active() -> bool:
    return dist.is_available() and dist.is_initialized()
