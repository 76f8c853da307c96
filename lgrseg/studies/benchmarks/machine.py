"""Describes the machine of a benchmark, and measures its upper limits."""

import functools
import importlib.metadata
import multiprocessing
import os
import platform
from collections.abc import Callable

import torch

from lgrseg.engine.writers import peak_memory_mib
from lgrseg.studies.benchmarks.timing import in_turns


def describe() -> dict[str, str | int]:
    """Processor, GPU, threads and versions."""
    description: dict[str, str | int] = {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
    }
    if torch.cuda.is_available():
        description["gpu"] = torch.cuda.get_device_name()
    description["python"] = platform.python_version()
    for name in ("torch", "triton", "transformers", "mambapy", "mamba_ssm", "natten"):
        try:
            description[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            description[name] = "not installed"
    return description


def _processor() -> str:
    if os.path.isfile("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
        if names:
            return f"{names[0]}, {os.cpu_count()} cores"
    return platform.processor() or platform.machine()


@functools.lru_cache
def bandwidth(device: str) -> float:
    """Measure the memory bandwidth (read and write) in bytes per second, with a large copy."""
    source = torch.rand(2**28 if device == "cuda" else 2**26, device=device)
    target = torch.empty_like(source)
    seconds = in_turns({"copy": lambda: target.copy_(source)}, repeats=5, device=device)
    return 2 * source.numel() * source.element_size() / seconds["copy"].seconds


@functools.lru_cache
def peak_rate(device: str, dtype: torch.dtype) -> float:
    """Measure the FLOPs per second of a large matrix product."""
    size = 8192 if device == "cuda" else 2048
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    seconds = in_turns({"product": lambda: a @ b}, repeats=5, device=device)
    return 2 * size**3 / seconds["product"].seconds


def limit(device: str, *, num_bytes: float, flops: float, kind: torch.dtype) -> float:
    """Lower bound of the time in seconds to move the bytes or compute the FLOPs."""
    return max(num_bytes / bandwidth(device), flops / peak_rate(device, kind))


def peak_rss_mib(function: Callable, *arguments, repeats: int = 2) -> int:
    """Peak memory in MiB of a separate process that calls `function(*arguments)()`.

    It includes Python, torch and weights. `function` must be at a module's top level.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_run, args=(sender, function, arguments, repeats))
    child.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        child.join()
        raise RuntimeError(
            f"the process that measures memory failed with exit code {child.exitcode}"
        ) from None
    finally:
        child.join()


def _run(sender, function, arguments, repeats: int) -> None:
    call = function(*arguments)
    for _ in range(repeats):
        call()
    sender.send(peak_memory_mib(torch.device("cpu")))
