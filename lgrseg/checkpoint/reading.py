"""Reads files of weights and states, also those of other programs.

Only tensors, plain containers and states of NumPy's and Python's random generators (which files of
other programs contain) are unpickled.
"""

import logging
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from lgrseg.checkpoint.files import CheckpointError, numbered_checkpoints, state_path

logger = logging.getLogger("lgrseg")


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a .safetensors, .pth or .pt file, by their names in the model.

    Prefixes that wrappers of the model added to the names are removed, and this is logged.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the file is truncated, or has objects that are not loaded for safety.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint {path}")
    if path.suffix == ".safetensors":
        try:
            return without_wrappers(load_file(path), path)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"{path} is truncated or not a safetensors file: {error}; copy it again"
                f"{_others_beside(path)}"
            ) from error
    content = read_state(path)
    for key in ("model", "state_dict", "model_state"):
        if isinstance(content.get(key), dict):
            content = content[key]
    tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    return without_wrappers(tensors, path)


def _others_beside(path: Path) -> str:
    others = sorted(other for other in path.parent.glob("*.safetensors") if other != path)
    return f", or use other weights: {', '.join(map(str, others))}" if others else ""


def without_wrappers(weights: dict[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """Remove the prefixes that torch's model wrappers add to the names of weights.

    `torch.compile` adds `_orig_mod.` to the names of the compiled model or part. DataParallel,
    DistributedDataParallel and AveragedModel (which has a counter `n_averaged`) add `module.` to
    all names.

    Args:
        weights: tensors by name.
        path: file of the weights, for the log message.
    """
    renamed = {re.sub(r"(^|\.)_orig_mod\.", r"\1", name): value for name, value in weights.items()}
    prefixes = ["_orig_mod."] if renamed.keys() != weights.keys() else []
    inner = {name: value for name, value in renamed.items() if name != "n_averaged"}
    while inner and all(name.startswith("module.") for name in inner):
        renamed = inner = {name.removeprefix("module."): value for name, value in inner.items()}
        prefixes.append("module.")
    if len(inner) < len(weights) - ("n_averaged" in weights):
        return weights  # otherwise two names would become equal
    if prefixes:
        logger.warning(
            "%s: removed %s of a wrapped model from the names", path, " and ".join(prefixes)
        )
    return renamed


def _check_sums(path: str | Path) -> None:
    """Reject a file with wrong checksums, because torch does not check them."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as parts:
        if damaged := parts.testzip():
            raise zipfile.BadZipFile(f"its part {damaged} has a wrong checksum")


def _types_of_random_states() -> list:
    """Types in `numpy.random.get_state()`; Python's state only has numbers and tuples.

    Arrays of objects are not allowed by this: their dtype has another type.
    """
    rebuild = np.zeros(0).__reduce__()[0]
    names = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
    return [np.ndarray, np.dtype, type(np.dtype(np.uint32)), *((rebuild, name) for name in names)]


def read_state(path: str | Path) -> dict[str, Any]:
    """Read a .pt or .pth file with tensors, numbers, strings and containers of them.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the file is truncated, or has other objects.
    """
    try:
        _check_sums(path)
        with torch.serialization.safe_globals(_types_of_random_states()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch raises many types of exceptions here
        raise CheckpointError(
            f"{path} is truncated, or has objects other than tensors, which are not loaded because "
            f"they could run code: {_reason(error)}"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path} has a {type(content).__name__}, not a dict of weights by name"
        )
    return content


def _reason(error: Exception) -> str:
    # The message of torch is long, and recommends to load the objects in spite of the risk.
    if global_name := re.search(r"GLOBAL (\S+)", str(error)):
        return f"an object of {global_name[1]}"
    if message := re.search(r"WeightsUnpickler error:\s*(.+)", str(error)):
        return message[1]
    return str(error).splitlines()[0] if str(error) else repr(error)


def read_newest_state(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """Read the state to resume from: `last`; if damaged, the newest numbered one, or `best`.

    Returns:
        Its path and content, or None if the folder has no state.

    Raises:
        CheckpointError: the folder has states, but none can be read.
    """
    numbered = [state_path(folder, path.stem) for path in reversed(numbered_checkpoints(folder))]
    first_error = None
    for path in (state_path(folder, "last"), *numbered, state_path(folder, "best")):
        if not path.is_file():
            continue
        try:
            state = read_state(path)
        except CheckpointError as error:
            logger.warning("%s; trying an earlier one", error)
            first_error = first_error or error
            continue
        return path, state
    if first_error is not None:
        raise first_error
    return None
