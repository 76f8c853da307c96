"""Loads the weights of a checkpoint into a model, and reports those that do not match."""

import logging
from pathlib import Path
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.checkpoint.reading import read_weights

logger = logging.getLogger("lgrseg")


@runtime_checkable
class Translates(Protocol):
    """A model that can also load weights with other names."""

    def translate(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights under the names of the model."""
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
