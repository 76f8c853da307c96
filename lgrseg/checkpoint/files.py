"""Writes checkpoints: `NAME.safetensors` for the weights, `NAME.state.pt` for the state to resume.

Every file is written under a temporary name, flushed to the disk and then renamed, so a file with
the final name is always complete. The state also contains the trained weights: if a run is killed
between writing the two files, they belong to different iterations, but each can still be used.
"""

import functools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


class CheckpointError(ValueError):
    """A checkpoint cannot be read or written. The message has the file, reason and remedy."""


def save_checkpoint(
    folder: Path, name: str, weights: dict[str, Tensor], state: dict[str, Any]
) -> None:
    """Write `name`.state.pt, then `name`.safetensors.

    Args:
        folder: folder of the checkpoint; it is created if it is missing.
        name: name of the checkpoint, such as "last", "best" or "iter_100".
        weights: weights to evaluate. If the run averages weights, these are the averaged ones.
        state: dict of tensors, numbers, strings and containers of them; must have "iteration".

    Raises:
        CheckpointError: writing failed; an earlier checkpoint of this name is unchanged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(state_path(folder, name), lambda path: torch.save(state, path))
    # Tensors are copied because safetensors rejects tensors that share memory (tied weights).
    tensors = {
        key: value.detach().to("cpu", copy=True).contiguous() for key, value in weights.items()
    }
    metadata = {"iteration": str(state["iteration"])}
    replace_file(weights_path(folder, name), lambda path: save_file(tensors, path, metadata))


def copy_checkpoint(folder: Path, source: str, name: str) -> None:
    """Give a checkpoint a second name; uses hard links if the file system supports them."""
    for path_of in (state_path, weights_path):
        replace_file(path_of(folder, name), functools.partial(_link, path_of(folder, source)))


def weights_path(folder: Path, name: str) -> Path:
    """Path of the weights of a checkpoint."""
    return folder / f"{name}.safetensors"


def state_path(folder: Path, name: str) -> Path:
    """Path of the state of a checkpoint."""
    return folder / f"{name}.state.pt"


def replace_file(path: Path, write: Callable[[Path], Any]) -> None:
    """Call `write` with a temporary path, then replace `path` by that file in one step.

    Raises:
        CheckpointError: writing failed; `path` is unchanged.
    """
    half_done = path.with_name(f".{path.name}.part")
    try:
        half_done.unlink(missing_ok=True)  # left by a killed process
        half_done.touch()
        usual_mode = half_done.stat().st_mode  # safetensors makes files unreadable for others
        half_done.unlink()
        write(half_done)
        half_done.chmod(usual_mode)
        _flush(half_done)
        half_done.replace(path)
        _flush(path.parent)
    except (OSError, RuntimeError, SafetensorError) as error:
        # On a full disk torch raises RuntimeError, safetensors raises SafetensorError.
        half_done.unlink(missing_ok=True)
        raise CheckpointError(
            f"{path} could not be written ({str(error).splitlines()[0]}); an earlier file is "
            "unchanged. Check whether the disk is full"
        ) from error


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _link(original: Path, path: Path) -> None:
    try:
        os.link(original, path)
    except OSError:  # exFAT and some network file systems
        path.write_bytes(original.read_bytes())


def numbered_checkpoints(folder: Path) -> list[Path]:
    """The files iter_N.safetensors of a folder, sorted by N."""
    matches = [
        (re.fullmatch(r"iter_(\d+)", path.stem), path) for path in folder.glob("iter_*.safetensors")
    ]
    return [path for _, path in sorted((int(match[1]), path) for match, path in matches if match)]


def remove_old(folder: Path, keep: int) -> None:
    """Remove all but the last `keep` numbered checkpoints."""
    numbered = numbered_checkpoints(folder)
    for path in numbered[: max(0, len(numbered) - keep)]:
        path.unlink()
        state_path(folder, path.stem).unlink(missing_ok=True)
