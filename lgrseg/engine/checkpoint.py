"""Checkpoints: `checkpoints/NAME.safetensors` are the weights to use, `NAME.state.pt` lets a run go on.

Each file is written under another name, flushed to the disk and then renamed, so that a name always
means a whole file. Nothing is unpickled but tensors and plain containers.
"""

import os
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says which, why, and what to do."""


def save_checkpoint(
    folder: Path, name: str, weights: dict[str, torch.Tensor], state: dict[str, Any] | None = None
) -> None:
    """Write `name`.safetensors, and before it `name`.state.pt where there is a state.

    The state names the iteration it belongs to, and so do the weights, in their metadata.
    """
    folder.mkdir(parents=True, exist_ok=True)
    iteration = str(state["iteration"]) if state else ""
    if state is not None:
        _replace(folder / f"{name}.state.pt", lambda path: torch.save(state, path))
    tensors = {key: value.detach().cpu().contiguous() for key, value in weights.items()}
    metadata = {"iteration": iteration}
    _replace(folder / f"{name}.safetensors", lambda path: save_file(tensors, path, metadata))


def _replace(path: Path, write) -> None:
    half_done = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(half_done)
        with open(half_done, "rb+") as file:
            os.fsync(file.fileno())
        half_done.replace(path)
    except OSError as error:
        raise CheckpointError(
            f"{path.name} could not be written ({error}); an earlier one, if any, is untouched"
        ) from error
    finally:
        half_done.unlink(missing_ok=True)


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors, .pth or .pt file.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: cut short, or holding objects that are not loaded for safety.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint {path}")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path} is cut short or no safetensors file: {error}") from error
    content = read_state(path)
    for key in ("model", "state_dict"):
        if isinstance(content.get(key), dict):
            content = content[key]
    return {key: value for key, value in content.items() if isinstance(value, torch.Tensor)}


def read_state(path: str | Path) -> dict[str, Any]:
    """The content of a .pt or .pth file: tensors, numbers, strings and containers of them.

    Raises:
        CheckpointError: cut short, or holding anything else.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch raises half a dozen kinds here
        raise CheckpointError(
            f"{path} is cut short, or holds objects beside tensors, which are not loaded because "
            f"they could run code: {str(error).splitlines()[0]}"
        ) from error


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Load weights that were saved from the same architecture; every name must fit.

    Raises:
        CheckpointError: names or shapes differ; the message shows the first of each.
    """
    weights = read_weights(path)
    own = model.state_dict()
    missing = [key for key in own if key not in weights]
    unexpected = [key for key in weights if key not in own]
    reshaped = [
        f"{key}: file {tuple(weights[key].shape)}, model {tuple(own[key].shape)}"
        for key in own
        if key in weights and weights[key].shape != own[key].shape
    ]
    if missing or unexpected or reshaped:
        lines = [f"{path} is of another architecture than this config:"]
        for what, names in (
            ("missing in the file", missing),
            ("not in the model", unexpected),
            ("of another shape", reshaped),
        ):
            if names:
                more = f", ... ({len(names)})" if len(names) > 3 else ""
                lines.append(f"  {what}: {', '.join(names[:3])}{more}")
        raise CheckpointError("\n".join(lines))
    model.load_state_dict(weights)


def numbered_checkpoints(folder: Path) -> list[Path]:
    """The iter_N.safetensors of a folder, the earliest first."""
    found = [(re.fullmatch(r"iter_(\d+)", path.stem), path) for path in folder.glob("iter_*.safetensors")]
    return [path for match, path in sorted((int(m[1]), p) for m, p in found if m)]


def remove_old(folder: Path, keep: int) -> None:
    """Keep the last `keep` numbered checkpoints."""
    old = numbered_checkpoints(folder)
    for path in old[: max(0, len(old) - keep)]:
        path.unlink()
        path.with_suffix("").with_suffix(".state.pt").unlink(missing_ok=True)
