"""Weights of a trained encoder under the names of published checkpoints.

The names are found by the loader itself: it converts a file in which every tensor is a number, and
the numbers show where each tensor goes. So saving and loading always match.
"""

from collections import defaultdict

import torch
from torch import Tensor

from lgrseg.modeling.foundation.encoder import TransformersEncoder
from lgrseg.modeling.foundation.layouts import Layout
from lgrseg.modeling.foundation.names import Tensors, to_module


def with_published_names(
    encoder: TransformersEncoder, layout: Layout, names: list[str], *, remedy: str
) -> Tensors:
    """Copy the weights of an encoder, with the names of a published checkpoint.

    Args:
        encoder: trained encoder.
        layout: layout of the published checkpoint.
        names: all names of tensors of the published checkpoint, without a prefix.
        remedy: end of the error message: which encoders have these names.

    Raises:
        ValueError: the encoder has another form, so that names are missing or left over.
    """
    own = encoder.model.state_dict()
    result: Tensors = {}
    remaining = set(own)
    for name, sources in own_names(encoder, layout, names).items():
        missing = [source for source in sources if source not in own]
        if missing:
            raise ValueError(f"the encoder has no {missing[0]}, for {name}: {remedy}")
        # Counters of batch norms have no dimension, and are never joined.
        parts = [own[source] for source in sources]
        result[name] = (parts[0] if len(parts) == 1 else torch.cat(parts)).clone()
        remaining -= set(sources)
    if remaining:
        raise ValueError(f"there is no published name for {min(remaining)}: {remedy}")
    return result


def own_names(
    encoder: TransformersEncoder, layout: Layout, names: list[str]
) -> dict[str, list[str]]:
    """List the encoder's names that belong to each published name, in the order of the stack."""
    numbers: dict[str, Tensor] = {}
    for number, name in enumerate(names):
        parts = 3 if ".qkv." in name else 1  # the loader splits it into queries, keys and values
        numbers[name] = torch.arange(parts) + 3 * number
    converted = layout.to_hub(layout.pick(numbers), encoder.model.config)
    sources: dict[str, list[str]] = defaultdict(list)
    arrived = to_module(converted, encoder.model.state_dict()).items()
    for own_name, value in sorted(arrived, key=lambda item: int(item[1])):
        sources[names[int(value) // 3]].append(own_name)
    return dict(sources)
