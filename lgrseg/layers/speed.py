"""What makes a step faster or smaller without changing what it computes."""

import ctypes
import functools
import sys

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

# Of glibc's mallopt (malloc.h): how many blocks may be mapped one by one; when to give memory back.
M_MMAP_MAX, M_TRIM_THRESHOLD = -4, -1
NEVER = 2**31 - 1


def hold_on_to_memory() -> bool:
    """Let this process keep the memory that it frees, for the next tensor.

    glibc gives large blocks back to the system at once and gets them anew, page by page, zeroed:
    a fifth of a training step on a CPU. Held, the peak is about a tenth higher.

    Returns:
        Whether the C library can do it (glibc, so Linux).
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return mallopt is not None and bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, NEVER))


def channels_last(model: nn.Module) -> nn.Module:
    """The weights of convolutions in the order in which maps made of tokens lie in memory."""
    return model.to(memory_format=torch.channels_last)


def recompute_activations(model: nn.Module) -> int:
    """Let every block keep its input only, and compute the rest again in the backward pass.

    A block is a module whose class says `recomputable = True`. What it draws at random must have
    been drawn before (`draw_drop_paths`), which saves the states of the generators.

    Returns:
        How many blocks there are.
    """
    blocks = [module for module in model.modules() if getattr(module, "recomputable", False)]
    for block in blocks:
        block.forward = functools.partial(
            checkpoint, block.forward, use_reentrant=False, preserve_rng_state=False
        )
    return len(blocks)


def compile_parts(model: nn.Module, *, backend: str = "inductor") -> list[str]:
    """Compile backbone and encoder in place, when they are first called (minutes).

    Those of a student and its teacher are compiled too. Names of weights stay. A clip of another
    length is compiled for once more, and from then on lengths may vary; with more than 8 kinds of
    input torch goes on without compiling.

    Returns:
        The names of the parts.
    """
    parts = {
        name: part
        for name, part in model.named_modules()
        if name.rpartition(".")[2] in ("backbone", "encoder") and name.count(".") <= 1
    }
    for part in parts.values():
        part.compile(backend=backend)
    return list(parts)
