"""Checkpoints: `NAME.safetensors` has the weights for use, `NAME.state.pt` the state to resume.

Every file is written under a temporary name, flushed to the disk and then renamed, so a file with
the final name is always complete. The state also contains the trained weights: if a run is killed
between writing the two files, they belong to different iterations, but each can still be used.
Only tensors, plain containers and states of NumPy's and Python's random generators (which files of
other programs contain) are unpickled.
"""

import logging
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

logger = logging.getLogger("lgrseg")


class CheckpointError(ValueError):
    """A checkpoint cannot be read or written; the message has file, reason and remedy."""


def save_checkpoint(
    folder: Path, name: str, weights: dict[str, Tensor], state: dict[str, Any]
) -> None:
    """Write `name`.state.pt, then `name`.safetensors.

    Args:
        folder: folder of the checkpoint; it is created if it is missing.
        name: name of the checkpoint, such as "last", "best" or "iter_100".
        weights: weights to evaluate; the averaged ones if the run averages weights.
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
        original = path_of(folder, source)
        replace_file(path_of(folder, name), lambda path, original=original: _link(original, path))


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
            ) from error
    content = read_state(path)
    for key in ("model", "state_dict", "model_state"):
        if isinstance(content.get(key), dict):
            content = content[key]
    tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    return without_wrappers(tensors, path)


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
    # torch's own message is long, and recommends to load the objects nevertheless.
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


@runtime_checkable
class Translates(Protocol):
    """A model that knows weights by other names too."""

    def translate(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """These weights under the names of the model."""
        ...


def load_weights(model: nn.Module, path: str | Path, *, strict: bool = True) -> None:
    """Load weights by name.

    Args:
        model: model whose weights are replaced. Its method `translate(weights)`, if it has one,
            converts names of other releases.
        path: a .safetensors, .pth or .pt file.
        strict: True if every name and shape must match. Otherwise matching tensors are loaded and
            the others are logged; use this to start from the weights of another dataset.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: names or shapes differ (strict), or fewer than half of the numbers match.
    """
    weights, expected = read_weights(path), model.state_dict()
    if isinstance(model, Translates):
        weights = model.translate(weights)
    fitting = {k: v for k, v in weights.items() if k in expected and v.shape == expected[k].shape}
    table = _differences(weights, expected)
    if table and strict:
        raise CheckpointError(f"{path} has another architecture than this config:\n{table}")
    loaded = sum(v.numel() for v in fitting.values()) / max(
        1, sum(v.numel() for v in expected.values())
    )
    if loaded < 0.5:
        raise CheckpointError(
            f"{path} has only {loaded:.0%} of this model's numbers; it belongs to another model:\n"
            f"{table}"
        )
    if table:
        logger.warning("%s matches %.1f%% of the model:\n%s", path, 100 * loaded, table)
    model.load_state_dict(fitting, strict=False)


def _differences(weights: dict[str, Tensor], expected: dict[str, Tensor], *, shown: int = 4) -> str:
    rows = {
        "missing in the file": [key for key in expected if key not in weights],
        "not in the model": [key for key in weights if key not in expected],
        "of another shape": [
            f"{key} (file {tuple(weights[key].shape)}, model {tuple(expected[key].shape)})"
            for key in expected
            if key in weights and weights[key].shape != expected[key].shape
        ],
    }
    return "\n".join(
        f"  {what}: {', '.join(names[:shown])}"
        + (f", ... ({len(names)} in all)" if len(names) > shown else "")
        for what, names in rows.items()
        if names
    )


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
