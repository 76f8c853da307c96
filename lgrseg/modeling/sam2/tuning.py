"""Which parts of a SAM 2 are trained: all, all but the image encoder, or adapters on it."""

from torch import nn

from lgrseg.modeling.foundation.tuning import add_adapters


def frozen_image_encoder(*, sam: nn.Module) -> nn.Module:
    """The image encoder stays as it is; prompts, masks and memory are trained."""
    sam.vision_encoder.requires_grad_(False)
    return sam


def lora_image_encoder(*, sam: nn.Module, rank: int = 8, alpha: float = 16.0) -> nn.Module:
    """The image encoder stays as it is but for low-rank adapters on its attention.

    Source: Hu et al., "LoRA", ICLR 2022; by peft, in place, so names gain `.base_layer` and
    `.lora_A.default`.

    Args:
        sam: a Sam2VideoModel, changed in place.
        rank: of an adapter.
        alpha: adapters are scaled by alpha / rank.

    Raises:
        ImportError: peft is not installed.
    """
    frozen_image_encoder(sam=sam)
    add_adapters(sam.vision_encoder, target_modules=["qkv", "proj"], rank=rank, alpha=alpha)
    return sam
