"""Which blocks of an encoder can compute their activations again in the backward pass."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lgrseg.modeling.foundation.encoder import TransformersEncoder


def mark_recomputable(encoder: TransformersEncoder) -> None:
    """Mark the blocks for `lgrseg.layers.speed.recompute_activations`.

    Blocks with batch norms are not marked, because their running means would count each image
    twice. Random numbers are the same in both passes.
    """
    settings = vars(encoder.model.config) if encoder.model.config else {}
    if any("dropout" in name and value for name, value in settings.items()):
        return
    for block in encoder.blocks:
        if not any(isinstance(part, _BatchNorm) for part in block.modules()):
            _mark(block)


def _mark(block: nn.Module) -> None:
    setattr(block, "recomputable", True)  # noqa: B010  a module has no such attribute for mypy
