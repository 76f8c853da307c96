"""Names of USFM's checkpoint; lgrseg/modeling/foundation loads them like USFM's own file."""

from typing import cast

from lgrseg.modeling.foundation.layouts import USFM
from lgrseg.modeling.foundation.names import Tensors
from lgrseg.modeling.foundation.vit import ViTConfig, ViTEncoder
from lgrseg.modeling.pretraining.published_names import with_published_names

OUTSIDE_BLOCKS = (
    "cls_token", "patch_embed.proj.weight", "patch_embed.proj.bias", "norm.weight", "norm.bias"
)  # fmt: skip
IN_BLOCKS = (
    "norm1.weight", "norm1.bias", "attn.qkv.weight", "attn.q_bias", "attn.v_bias",
    "attn.relative_position_bias_table", "attn.proj.weight", "attn.proj.bias",
    "norm2.weight", "norm2.bias", "mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight",
    "mlp.fc2.bias", "gamma_1", "gamma_2",
)  # fmt: skip
REMEDY = "only encoders usfm_tiny, usfm_small and usfm_base can be saved under USFM's names"


def usfm_weights(encoder: ViTEncoder) -> Tensors:
    """Copy the weights of an encoder `usfm_*`, with the names of USFM's checkpoint.

    Each block has its own table of relative positions, as in USFM's models after fine-tuning; in
    USFM's checkpoint all blocks share one.

    Raises:
        ValueError: the encoder is no `usfm_*`, so that names are missing or left over.
    """
    depth = cast(ViTConfig, encoder.model.config).num_hidden_layers
    names = [*OUTSIDE_BLOCKS, *(f"blocks.{n}.{name}" for n in range(depth) for name in IN_BLOCKS)]
    return with_published_names(encoder, USFM, names, remedy=REMEDY)
