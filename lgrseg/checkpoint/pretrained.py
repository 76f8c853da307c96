"""Loading published weights into a part of a model, and saying exactly what fitted."""

import logging
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from lgrseg.checkpoint.files import CheckpointError, read_weights

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
    """Load what fits, and report the rest in one table.

    Args:
        module: takes the weights.
        weights: a local .safetensors, .pth or .pt file, or "hub:<repository>/<file>" on the Hugging
            Face hub (fetched once, then cached).
        rename: from the file's names to the module's.
        translate: from all of the file's tensors to the module's, where names alone do not do.
        left_out: for the table, the names of what `translate` leaves out; it fills the list.
        ignore: beginnings of names in the file that are not wanted, such as a classification head.
        min_overlap: share of the module's tensors that must be found.

    Returns:
        Names under "loaded", "missing", "unexpected" and "reshaped".

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: cut short, unsafe, or of so little overlap that it cannot be meant.
    """
    found = read_weights(_local_file(str(weights)))
    found = {(rename or str)(name): value for name, value in found.items()}
    found = translate(found) if translate else found
    unwanted = [*(left_out or []), *(name for name in found if name.startswith(ignore))]
    found = {name: value for name, value in found.items() if not name.startswith(ignore)}
    own = module.state_dict()
    report = {
        "loaded": [n for n in own if n in found and found[n].shape == own[n].shape],
        "missing": [n for n in own if n not in found],
        "unexpected": [n for n in found if n not in own],
        "reshaped": [n for n in own if n in found and found[n].shape != own[n].shape],
    }
    if len(report["loaded"]) < min_overlap * len(own):
        raise CheckpointError(
            f"{weights} fits {len(report['loaded'])} of {len(own)} tensors only; is it of another "
            f"model? The file has {', '.join(list(found)[:3])}, ...; wanted are "
            f"{', '.join(list(own)[:3])}, ..."
        )
    module.load_state_dict({name: found[name] for name in report["loaded"]}, strict=False)
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
