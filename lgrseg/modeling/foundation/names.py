"""Renames tensors of published weights by rules; layouts.py has the rules of each encoder."""

import re
from collections.abc import Iterable

from torch import Tensor

Tensors = dict[str, Tensor]
Rules = Iterable[tuple[str, str]]
"""Pairs of regular expression and replacement, applied in order."""


def renamed(tensors: Tensors, rules: Rules) -> Tensors:
    """Apply every rule to every name."""
    compiled = [(re.compile(pattern), new) for pattern, new in rules]
    result = {}
    for name, tensor in tensors.items():
        for pattern, new in compiled:
            name = pattern.sub(new, name)
        result[name] = tensor
    return result


def split_qkv(tensors: Tensors, parts: tuple[str, str, str]) -> Tensors:
    """Split every `.qkv.` tensor of three stacked projections (3D, ...) into three (D, ...)."""
    result = {}
    for name, tensor in tensors.items():
        if ".qkv." not in name:
            result[name] = tensor
            continue
        for part, piece in zip(parts, tensor.chunk(3), strict=True):
            result[name.replace(".qkv.", f".{part}.")] = piece
    return result


def only_below(tensors: Tensors, *prefixes: str) -> Tensors:
    """Tensors with the first existing prefix, which is removed; all tensors if there is none."""
    for prefix in prefixes:
        below = {
            name.removeprefix(prefix): tensor
            for name, tensor in tensors.items()
            if name.startswith(prefix)
        }
        if below:
            return below
    return tensors


def without(tensors: Tensors, pattern: str) -> Tensors:
    """Remove the tensors whose names match the pattern."""
    return {name: tensor for name, tensor in tensors.items() if not re.search(pattern, name)}


def to_module(tensors: Tensors, model_names: Iterable[str]) -> Tensors:
    """Convert the hub's names to those of the installed version of transformers.

    Args:
        tensors: tensors by the hub's names; a prefix of a whole model such as "dinov2." is removed.
        model_names: names of the model. Names that cannot be converted to these are unchanged.
    """
    known, result = set(model_names), {}
    for name, tensor in tensors.items():
        new = name
        for pattern, replacement in MODERN:
            if new in known:
                break
            new = re.sub(pattern, replacement, new)
        new = new if new in known else name
        if (
            new not in result or name != new
        ):  # if both exist, take the one with the prefix of a whole model
            result[new] = tensor
    return result


WHOLE_MODEL = r"^(dinov2|dinov2_with_registers|vit|beit|hiera|swin|resnet)\."
"""Prefix of an encoder's names in the hub's models with a head."""
MODERN: Rules = (
    (WHOLE_MODEL, ""),
    (r"attention\.(attention|self)\.(q)uery\.", r"attention.\2_proj."),
    (r"attention\.(attention|self)\.(k)ey\.", r"attention.\2_proj."),
    (r"attention\.(attention|self)\.(v)alue\.", r"attention.\2_proj."),
    (r"attention\.output\.dense\.", "attention.o_proj."),
    (r"attention\.attention\.relative_position_bias\.", "relative_position_bias."),
    (
        r"attention\.self\.(relative_position_bias_table)",
        r"attention.relative_position_bias.\1",
    ),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"^encoder\.layer\.", "layers."),
    (r"^(layer|stages)\.", r"model.\1."),
)
"""Rules from the hub's names to those of transformers 5, applied until the model has the name."""
