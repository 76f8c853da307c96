"""Selects the trained parts of SAM 2: all, all but the image encoder, or adapters in it."""

from torch import nn

from lgrseg.modeling.foundation.tuning import add_adapters, attention_projections


def frozen_image_encoder(*, sam: nn.Module) -> nn.Module:
    """Freeze the image encoder; train the prompt, mask and memory parts."""
    sam.get_submodule("vision_encoder").requires_grad_(False)
    return sam


def lora_image_encoder(*, sam: nn.Module, rank: int = 8, alpha: float = 16.0) -> nn.Module:
    """Freeze the image encoder and add trained low-rank adapters to its attention.

    Source: Hu et al., "LoRA", ICLR 2022; added by peft in place, so tensor names contain
    `.base_layer` and `.lora_A.default`.

    Args:
        sam: Sam2VideoModel, which is changed in place.
        rank: rank of the adapters.
        alpha: scale of the adapters; they are multiplied by alpha / rank.

    Raises:
        ImportError: peft is not installed.
    """
    frozen_image_encoder(sam=sam)
    encoder = sam.get_submodule("vision_encoder")
    add_adapters(encoder, target_modules=attention_projections(encoder), rank=rank, alpha=alpha)
    return sam
