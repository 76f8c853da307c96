"""Loads pretrained weights into a part of a model, and reports which tensors matched."""

import logging
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.checkpoint.reading import read_weights

logger = logging.getLogger("lgrseg")


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
    tensors = read_weights(_local_file(str(weights)))
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


def _local_file(weights: str) -> str:
    if not weights.startswith("hub:"):
        return weights
    from huggingface_hub import hf_hub_download

    repository, _, file = weights.removeprefix("hub:").rpartition("/")
    return hf_hub_download(repository, file)


def _table(weights: str, report: dict[str, list[str]]) -> str:
    lines = [f"weights from {weights}:"]
    for what, names in report.items():
        shown = "" if what == "loaded" or not names else f": {', '.join(names[:5])}"
        more = ", ..." if shown and len(names) > 5 else ""
        lines.append(f"  {what:<10} {len(names):>4}{shown}{more}")
    return "\n".join(lines)
