"""Names of MAE's checkpoints (facebookresearch/mae), without the decoder."""

from typing import cast

from lgrseg.modeling.foundation.layouts import MAE
from lgrseg.modeling.foundation.names import Tensors
from lgrseg.modeling.foundation.vit import ViTConfig, ViTEncoder
from lgrseg.modeling.pretraining.published_names import with_published_names

PARTS = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
KINDS = ("weight", "bias")


def mae_weights(encoder: ViTEncoder) -> Tensors:
    """Copy the weights of an encoder `mae_*`, with the names of MAE's checkpoints.

    Raises:
        ValueError: the encoder is no `mae_*`, so that names are missing or left over.
    """
    names = ["cls_token", "pos_embed"]
    parts = ["patch_embed.proj", "norm"]
    for number in range(cast(ViTConfig, encoder.model.config).num_hidden_layers):
        parts += [f"blocks.{number}.{part}" for part in PARTS]
    names += [f"{part}.{kind}" for part in parts for kind in KINDS]
    remedy = "only encoders mae_tiny, mae_small and mae_base can be saved under MAE's names"
    return with_published_names(encoder, MAE, names, remedy=remedy)
