"""Stochastic depth for encoders whose networks have none, such as MAE's ViT and ResNets."""

from typing import Any

from torch import Tensor, nn

from lgrseg.layers.drop_path import DropPath
from lgrseg.modeling.foundation.encoder import Encoder


def add_drop_paths(encoder: Encoder, rate: float) -> None:
    """Skip whole blocks at random in training; names of weights do not change.

    A block of an encoder computes x + f(x). After its forward pass, the change f(x) is dropped for
    some images, and scaled up for the others (`DropPath`). The probability increases linearly, from
    0 for the first block to `rate` for the last. Blocks that change the size or the number of
    channels are never skipped.

    Source: Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016, section 3.

    Args:
        encoder: encoder that is changed in place.
        rate: probability for the last block, 0 to below 1; it is not checked.
    """
    blocks = encoder.blocks
    for number, block in enumerate(blocks):
        block.add_module("skipped", DropPath(rate * number / max(1, len(blocks) - 1)))
        block.register_forward_hook(_with_dropped_change)


def _with_dropped_change(block: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
    path = block.get_submodule("skipped")
    if not (block.training and path.rate):
        return None
    after: Tensor = output[0] if isinstance(output, tuple) else output
    (before, *_) = inputs
    if before.shape != after.shape:
        return None
    changed = before + path(after - before)
    return (changed, *output[1:]) if isinstance(output, tuple) else changed
