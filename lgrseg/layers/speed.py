"""Settings that make training faster or use less memory, without changing its result."""

import ctypes
import functools
import sys
from typing import TypeVar

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

# Parameters of glibc's mallopt (malloc.h): number of mapped blocks; threshold to return memory.
M_MMAP_MAX, M_TRIM_THRESHOLD = -4, -1
NEVER = 2**31 - 1

Model = TypeVar("Model", bound=nn.Module)


def hold_on_to_memory() -> bool:
    """Let this process keep freed memory for the next tensors.

    By default, glibc returns large blocks to the system at once. Getting them again, zeroed page by
    page, takes a fifth of a training step on a CPU. Keeping them raises the peak by about a tenth.

    Returns:
        True if the C library supports it (glibc, so Linux).
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl lacks it
    return mallopt is not None and bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, NEVER))


def channels_last(model: Model) -> Model:
    """Store convolution weights in channels-last order, which is also the order of tokens."""
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it


def recompute_activations(model: nn.Module) -> int:
    """Let every block keep only its input; its activations are recomputed in the backward pass.

    A block is a module with `recomputable = True`, which its class or the builder of an encoder
    sets. States of random generators are restored for the recomputation, for blocks whose random
    numbers are not drawn before the forward pass (`draw_drop_paths`).

    Returns:
        The number of blocks.
    """
    blocks = [module for module in model.modules() if getattr(module, "recomputable", False)]
    for block in blocks:
        block.forward = functools.partial(
            checkpoint, block.forward, use_reentrant=False, preserve_rng_state=True
        )
    return len(blocks)


def compile_parts(model: nn.Module, *, backend: str = "inductor") -> list[str]:
    """Compile backbone and encoder in place; compilation takes minutes, at the first call.

    Parts of a student and its teacher are compiled too. Names of weights do not change. The first
    clip of another length is compiled again. After that, the length may vary. After more than 8
    different kinds of input, torch runs without compilation.

    Returns:
        The names of the compiled parts.
    """
    parts = {
        name: part
        for name, part in model.named_modules()
        if name.rpartition(".")[2] in ("backbone", "encoder") and name.count(".") <= 1
    }
    for part in parts.values():
        part.compile(backend=backend)
    return list(parts)
