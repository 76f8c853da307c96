"""Loads pretrained weights into a part of a model, and reports which tensors matched."""

import logging
import re
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.checkpoint.reading import read_weights

logger = logging.getLogger("lgrseg")

MODEL_FILE = "model.safetensors"
"""Name of the weights in repositories of the Hugging Face hub."""
ON_THE_HUB = "hub:"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def load_pretrained(
    module: nn.Module,
    weights: str | Path,
    *,
    rename: Callable[[str], str] | None = None,
    translate: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None,
    left_out: list[str] | None = None,
    ignore: tuple[str, ...] = (),
    min_overlap: float = 0.5,
) -> dict[str, list[str]]:
    """Load all tensors that match, and log the others in one table.

    Args:
        module: module whose weights are replaced.
        weights: a local .safetensors, .pth or .pt file, or "hub:<repository>/<file>" on the Hugging
            Face hub (downloaded once, then cached).
        rename: function from a name in the file to the name in the module.
        translate: function from all tensors of the file to those of the module, if renaming is not
            enough.
        left_out: list to which `translate` adds the names of tensors it leaves out, for the table.
        ignore: prefixes of names in the file that are not loaded, such as a classification head.
        min_overlap: share of the module's tensors that the file must have, 0 to 1.

    Returns:
        Lists of names under "loaded", "missing", "unexpected" and "reshaped".

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the file is truncated or unsafe, or has less overlap than `min_overlap`.
    """
    text = str(weights)
    tensors = read_weights(local_file(text) if text.startswith(ON_THE_HUB) else text)
    tensors = {(rename or str)(name): value for name, value in tensors.items()}
    tensors = translate(tensors) if translate else tensors
    unwanted = [*(left_out or []), *(name for name in tensors if name.startswith(ignore))]
    tensors = {name: value for name, value in tensors.items() if not name.startswith(ignore)}
    expected = module.state_dict()
    report = {
        "loaded": [n for n in expected if n in tensors and tensors[n].shape == expected[n].shape],
        "missing": [n for n in expected if n not in tensors],
        "unexpected": [n for n in tensors if n not in expected],
        "reshaped": [n for n in expected if n in tensors and tensors[n].shape != expected[n].shape],
    }
    if len(report["loaded"]) < min_overlap * len(expected):
        raise CheckpointError(
            f"{weights} matches only {len(report['loaded'])} of {len(expected)} tensors; is it "
            f"from another model? Its names are {', '.join(list(tensors)[:3])}, ...; needed are "
            f"{', '.join(list(expected)[:3])}, ..."
        )
    module.load_state_dict({name: tensors[name] for name in report["loaded"]}, strict=False)
    logger.info("%s", _table(str(weights), report | {"left out": unwanted}))
    return report


def local_file(weights: str) -> Path:
    """Find a weight file: a local file or folder, or a download from the hub by its id.

    Args:
        weights: a file, a folder with model.safetensors, "hub:<repository>/<file>", or the id of a
            repository on the Hugging Face hub with model.safetensors.

    Raises:
        FileNotFoundError: there is no local file, and no hub id that can be downloaded.
    """
    path = Path(weights)
    if path.is_dir():
        if not (path / MODEL_FILE).is_file():
            raise FileNotFoundError(
                f"{path} has no {MODEL_FILE}; give the path of the file if it has another name"
            )
        return path / MODEL_FILE
    if path.is_file():
        return path
    if weights.startswith(ON_THE_HUB):
        parts = weights.removeprefix(ON_THE_HUB).split("/", 2)
        if len(parts) < 3 or not all(parts):
            raise FileNotFoundError(f"no weights {weights}: write hub:OWNER/NAME/FILE")
        return _fetched(f"{parts[0]}/{parts[1]}", parts[2])
    if path.suffix in (".safetensors", ".pth", ".pt") or not HUB_ID.fullmatch(weights):
        raise FileNotFoundError(
            f"no weights {weights}: it is neither a file, nor a folder, nor a hub id"
        )
    return _fetched(weights, MODEL_FILE)


def _fetched(repository: str, file: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repository, file))
    except Exception as error:  # the hub and the connection raise many types
        raise FileNotFoundError(
            f"{repository} is not a local folder, and its {file} could not be "
            f"downloaded from the Hugging Face hub ({type(error).__name__}): download it on a "
            "machine with network access, and give its path"
        ) from error


def _table(weights: str, report: dict[str, list[str]]) -> str:
    lines = [f"weights from {weights}:"]
    for what, names in report.items():
        shown = "" if what == "loaded" or not names else f": {', '.join(names[:5])}"
        more = ", ..." if shown and len(names) > 5 else ""
        lines.append(f"  {what:<10} {len(names):>4}{shown}{more}")
    return "\n".join(lines)
