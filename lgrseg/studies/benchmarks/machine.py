"""The machine that figures belong to, and what no code on it can beat."""

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
    found = {"processor": _processor(), "threads": torch.get_num_threads()}
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    found["python"] = platform.python_version()
    for name in ("torch", "triton", "transformers", "mambapy", "mamba_ssm", "natten"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _processor() -> str:
    if os.path.isfile("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
        if names:
            return f"{names[0]}, {os.cpu_count()} cores"
    return platform.processor() or platform.machine()


@functools.lru_cache
def bandwidth(device: str) -> float:
    """Bytes a second, read and written, of a copy much larger than any cache; measured."""
    source = torch.rand(2**28 if device == "cuda" else 2**26, device=device)
    target = torch.empty_like(source)
    seconds = in_turns({"copy": lambda: target.copy_(source)}, repeats=5, device=device)
    return 2 * source.numel() * source.element_size() / seconds["copy"].seconds


@functools.lru_cache
def peak_rate(device: str, kind: torch.dtype) -> float:
    """FLOPs a second of a large product of matrices of random numbers; measured."""
    size = 8192 if device == "cuda" else 2048
    a, b = (torch.randn(size, size, device=device).to(kind) for _ in range(2))
    seconds = in_turns({"product": lambda: a @ b}, repeats=5, device=device)
    return 2 * size**3 / seconds["product"].seconds


def limit(device: str, *, num_bytes: float, flops: float, kind: torch.dtype) -> float:
    """Seconds that moving the bytes or computing the FLOPs takes at least."""
    return max(num_bytes / bandwidth(device), flops / peak_rate(device, kind))


def peak_rss_mib(function: Callable, *arguments, repeats: int = 2) -> int:
    """The most memory that a process of its own holds while it calls `function(*arguments)()`.

    Everything is in it: Python, torch, weights. `function` is of a module's top level.
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
            f"the process that measures memory ended with {child.exitcode}"
        ) from None
    finally:
        child.join()


def _run(sender, function, arguments, repeats: int) -> None:
    call = function(*arguments)
    for _ in range(repeats):
        call()
    sender.send(peak_memory_mib(torch.device("cpu")))
