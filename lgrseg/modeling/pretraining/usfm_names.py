"""Weights of a pretrained encoder under the names of USFM's checkpoint.

lgrseg/modeling/foundation loads them like USFM's own file, into an encoder of the same size.
"""

from collections import defaultdict
from typing import cast

import torch
from torch import Tensor

from lgrseg.modeling.foundation.layouts import USFM
from lgrseg.modeling.foundation.names import Tensors, to_module
from lgrseg.modeling.foundation.vit import ViTConfig, ViTEncoder

OUTSIDE_BLOCKS = (
    "cls_token", "patch_embed.proj.weight", "patch_embed.proj.bias", "norm.weight", "norm.bias"
)  # fmt: skip
IN_BLOCKS = (
    "norm1.weight", "norm1.bias", "attn.qkv.weight", "attn.q_bias", "attn.v_bias",
    "attn.relative_position_bias_table", "attn.proj.weight", "attn.proj.bias",
    "norm2.weight", "norm2.bias", "mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight",
    "mlp.fc2.bias", "gamma_1", "gamma_2",
)  # fmt: skip


def usfm_weights(encoder: ViTEncoder) -> Tensors:
    """Copy the weights of an encoder `usfm_*`, with the names of USFM's checkpoint.

    Each block has its own table of relative positions, as in USFM's models after fine-tuning; in
    USFM's checkpoint all blocks share one.

    Raises:
        ValueError: the encoder is no `usfm_*`, so that names are missing or left over.
    """
    own = encoder.model.state_dict()
    depth = cast(ViTConfig, encoder.model.config).num_hidden_layers
    result: Tensors = {}
    remaining = set(own)
    for name, sources in own_names(encoder, depth).items():
        missing = [source for source in sources if source not in own]
        if missing:
            raise ValueError(f"the encoder has no {missing[0]}, for {name} of USFM: {REMEDY}")
        result[name] = torch.cat([own[source] for source in sources]).clone()
        remaining -= set(sources)
    if remaining:
        raise ValueError(f"USFM has no name for {min(remaining)} of the encoder: {REMEDY}")
    return result


REMEDY = "only encoders usfm_tiny, usfm_small and usfm_base can be saved under these names"


def own_names(encoder: ViTEncoder, depth: int) -> dict[str, list[str]]:
    """List the encoder's names that belong to each of USFM's names, in the order of the stack.

    The names are those to which the loader of USFM's weights converts a file: it gets numbers
    instead of weights, and these show where each went. So both directions always match.
    """
    names = [*OUTSIDE_BLOCKS, *(f"blocks.{n}.{name}" for n in range(depth) for name in IN_BLOCKS)]
    numbers: dict[str, Tensor] = {}
    for number, name in enumerate(names):
        parts = 3 if ".qkv." in name else 1  # the loader splits it into queries, keys and values
        numbers[name] = torch.arange(parts) + 3 * number
    converted = USFM.to_hub(USFM.pick(numbers), encoder.model.config)
    sources: dict[str, list[str]] = defaultdict(list)
    arrived = to_module(converted, encoder.model.state_dict()).items()
    for own_name, value in sorted(arrived, key=lambda item: int(item[1])):
        sources[names[int(value) // 3]].append(own_name)
    return dict(sources)
