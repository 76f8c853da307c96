"""Checkpoints: `NAME.safetensors` holds the weights to use, `NAME.state.pt` lets the run go on.

Every file is written under another name, flushed to the disk and then renamed, so that a name
always means a whole file. The state holds the trained weights once more: where a run is killed
between the two files they are of different iterations, and each is still right for its purpose.
Nothing is unpickled but tensors, plain containers and, since files of others hold them, the states
of NumPy's and Python's random generators.
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
    """A checkpoint that cannot be used or written; the message says which, why, and what to do."""


def save_checkpoint(
    folder: Path, name: str, weights: dict[str, Tensor], state: dict[str, Any]
) -> None:
    """Write `name`.state.pt, then `name`.safetensors.

    Args:
        folder: made where it is missing.
        name: "last", "best", "iter_100".
        weights: what evaluates best: the averaged ones, where a run averages.
        state: tensors, numbers, strings and containers of them; with "iteration".

    Raises:
        CheckpointError: the disk does not take it; what stood there before still does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(state_path(folder, name), lambda path: torch.save(state, path))
    # A copy of each, because safetensors refuses tensors that share memory (tied weights).
    tensors = {
        key: value.detach().to("cpu", copy=True).contiguous() for key, value in weights.items()
    }
    metadata = {"iteration": str(state["iteration"])}
    replace_file(weights_path(folder, name), lambda path: save_file(tensors, path, metadata))


def copy_checkpoint(folder: Path, source: str, name: str) -> None:
    """Give a checkpoint a second name, at no cost where the file system has hard links."""
    for path_of in (state_path, weights_path):
        original = path_of(folder, source)
        replace_file(path_of(folder, name), lambda path, original=original: _link(original, path))


def weights_path(folder: Path, name: str) -> Path:
    """Where the weights of a checkpoint are."""
    return folder / f"{name}.safetensors"


def state_path(folder: Path, name: str) -> Path:
    """Where the state of a checkpoint is."""
    return folder / f"{name}.state.pt"


def replace_file(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` write a file, then put it in the place of `path` in one go.

    Raises:
        CheckpointError: it could not be written; `path` is as it was.
    """
    half_done = path.with_name(f".{path.name}.part")
    try:
        half_done.unlink(missing_ok=True)  # of a process that was killed
        half_done.touch()
        usual_mode = half_done.stat().st_mode  # safetensors would let nobody else read it
        half_done.unlink()
        write(half_done)
        half_done.chmod(usual_mode)
        _flush(half_done)
        half_done.replace(path)
        _flush(path.parent)
    except (OSError, RuntimeError, SafetensorError) as error:
        # torch reports a full disk as RuntimeError, safetensors as its own kind.
        half_done.unlink(missing_ok=True)
        raise CheckpointError(
            f"{path} could not be written ({str(error).splitlines()[0]}); an earlier one is "
            "untouched. Is the disk full?"
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
    """The tensors of a .safetensors, .pth or .pt file, by the names that the model itself has.

    What wrappers of the model add to its names is taken off, and the log says so.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: cut short, or holding objects that are not loaded for safety.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint {path}")
    if path.suffix == ".safetensors":
        try:
            return without_wrappers(load_file(path), path)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path} is cut short or no safetensors file: {error}") from error
    content = read_state(path)
    for key in ("model", "state_dict", "model_state"):
        if isinstance(content.get(key), dict):
            content = content[key]
    tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    return without_wrappers(tensors, path)


def without_wrappers(weights: dict[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """Weights without what torch's wrappers of a model write into their names.

    `torch.compile` puts `_orig_mod.` before the names of whatever it compiled, the whole or a part;
    DataParallel, DistributedDataParallel and AveragedModel (which counts in `n_averaged`) put
    `module.` before all.

    Args:
        weights: names -> tensors.
        path: their file, for the log.
    """
    found = {re.sub(r"(^|\.)_orig_mod\.", r"\1", name): value for name, value in weights.items()}
    words = ["_orig_mod."] if found.keys() != weights.keys() else []
    inner = {name: value for name, value in found.items() if name != "n_averaged"}
    while inner and all(name.startswith("module.") for name in inner):
        found = inner = {name.removeprefix("module."): value for name, value in inner.items()}
        words.append("module.")
    if len(inner) < len(weights) - ("n_averaged" in weights):
        return weights  # two names would become one
    if words:
        logger.warning("%s: names without the %s of a wrapped model", path, " and ".join(words))
    return found


def _check_sums(path: str | Path) -> None:
    """Refuse a file whose content does not fit its checksums, which torch does not look at."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as parts:
        if damaged := parts.testzip():
            raise zipfile.BadZipFile(f"{damaged} in it does not fit its checksum")


def _types_of_random_states() -> list:
    """What `numpy.random.get_state()` is made of; Python's state needs numbers and tuples only.

    An array of objects is not among them: its dtype is of another type.
    """
    rebuild = np.zeros(0).__reduce__()[0]
    names = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
    return [np.ndarray, np.dtype, type(np.dtype(np.uint32)), *((rebuild, name) for name in names)]


def read_state(path: str | Path) -> dict[str, Any]:
    """The content of a .pt or .pth file: tensors, numbers, strings and containers of them.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: cut short, or holding anything else.
    """
    try:
        _check_sums(path)
        with torch.serialization.safe_globals(_types_of_random_states()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch raises half a dozen kinds here
        raise CheckpointError(
            f"{path} is cut short, or holds objects beside tensors, which are not loaded because "
            f"they could run code: {_reason(error)}"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not weights by name")
    return content


def _reason(error: Exception) -> str:
    # torch's own message is long, and advises to load the objects all the same.
    if named := re.search(r"GLOBAL (\S+)", str(error)):
        return f"an object of {named[1]}"
    if told := re.search(r"WeightsUnpickler error:\s*(.+)", str(error)):
        return told[1]
    return str(error).splitlines()[0] if str(error) else repr(error)


def read_newest_state(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The state to go on from: `last`, or where it is damaged the newest numbered one, or `best`.

    Returns:
        Its path and content, or None where the folder has none.

    Raises:
        CheckpointError: there are some, but none can be read.
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
        model: changed in place. Its `translate(weights)`, where it has one, knows other names.
        path: .safetensors, .pth or .pt.
        strict: every name must fit. Otherwise what fits is taken and the rest is reported, which is
            right for starting a training from another dataset's weights.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: names or shapes differ, or too few fit for the file to be meant.
    """
    weights, own = read_weights(path), model.state_dict()
    if isinstance(model, Translates):
        weights = model.translate(weights)
    fitting = {k: v for k, v in weights.items() if k in own and v.shape == own[k].shape}
    table = _differences(weights, own)
    if table and strict:
        raise CheckpointError(f"{path} is of another architecture than this config:\n{table}")
    loaded = sum(v.numel() for v in fitting.values()) / max(1, sum(v.numel() for v in own.values()))
    if loaded < 0.5:
        raise CheckpointError(
            f"{path} has only {loaded:.0%} of this model's numbers, so it is hardly meant for it:\n"
            f"{table}"
        )
    if table:
        logger.warning("%s fits %.1f%% of the model:\n%s", path, 100 * loaded, table)
    model.load_state_dict(fitting, strict=False)


def _differences(weights: dict[str, Tensor], own: dict[str, Tensor], *, shown: int = 4) -> str:
    rows = {
        "missing in the file": [key for key in own if key not in weights],
        "not in the model": [key for key in weights if key not in own],
        "of another shape": [
            f"{key} (file {tuple(weights[key].shape)}, model {tuple(own[key].shape)})"
            for key in own
            if key in weights and weights[key].shape != own[key].shape
        ],
    }
    return "\n".join(
        f"  {what}: {', '.join(names[:shown])}"
        + (f", ... ({len(names)} in all)" if len(names) > shown else "")
        for what, names in rows.items()
        if names
    )


def numbered_checkpoints(folder: Path) -> list[Path]:
    """The iter_N.safetensors of a folder, the earliest first."""
    found = [
        (re.fullmatch(r"iter_(\d+)", path.stem), path) for path in folder.glob("iter_*.safetensors")
    ]
    return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]


def remove_old(folder: Path, keep: int) -> None:
    """Keep the last `keep` numbered checkpoints."""
    numbered = numbered_checkpoints(folder)
    for path in numbered[: max(0, len(numbered) - keep)]:
        path.unlink()
        state_path(folder, path.stem).unlink(missing_ok=True)
