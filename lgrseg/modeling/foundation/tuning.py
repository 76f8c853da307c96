"""Selects the trained part of an encoder: none, its last blocks, adapters, or all (default).

Each function changes the encoder in place and returns it, so configs can nest them:

    encoder=L(unfrozen_last)(encoder=L(build_encoder)(name="dinov2_small"), num_blocks=2)

Frozen modules stay in evaluation mode during training (encoder.py).
"""

from torch import nn

from lgrseg.modeling.foundation.encoder import Encoder, keep_frozen_in_eval

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "query", "key", "value", "qkv", "proj")
"""Names of the linear layers of attention, in all models of transformers that are used."""


def frozen(*, encoder: Encoder) -> Encoder:
    """Freeze the whole encoder."""
    encoder.requires_grad_(False)
    keep_frozen_in_eval(encoder)
    return encoder


def unfrozen_last(*, encoder: Encoder, num_blocks: int) -> Encoder:
    """Train only the last blocks and the final norm after them; freeze the rest.

    Raises:
        ValueError: `num_blocks` is below 1, or larger than the number of blocks.
    """
    blocks = encoder.blocks
    if not 1 <= num_blocks <= len(blocks):
        raise ValueError(
            f"num_blocks must be 1 to {len(blocks)} for this encoder, not {num_blocks}; "
            "use frozen() to train no block"
        )
    frozen(encoder=encoder)
    first = {id(parameter) for parameter in blocks[-num_blocks].parameters()}
    reached = False
    for name, parameter in encoder.named_parameters():
        reached = reached or id(parameter) in first
        if reached and not name.endswith("mask_token"):
            parameter.requires_grad_(True)
    return encoder


def with_lora(*, encoder: Encoder, rank: int = 8, alpha: float = 16.0) -> Encoder:
    """Freeze the encoder and add trained low-rank adapters to its attention.

    Source: Hu et al., "LoRA", ICLR 2022; added by peft in place, so tensor names contain
    `.base_layer` and `.lora_A.default`.

    Args:
        encoder: encoder with attention and with loaded weights.
        rank: rank of the adapters.
        alpha: scale of the adapters; they are multiplied by alpha / rank.

    Raises:
        ImportError: peft is not installed.
        ValueError: the encoder has no attention.
    """
    targets = attention_projections(encoder)
    if not targets:
        raise ValueError(
            "adapters are added to attention, but this encoder has none: use unfrozen_last"
        )
    frozen(encoder=encoder)
    add_adapters(encoder, target_modules=targets, rank=rank, alpha=alpha)
    return encoder


def attention_projections(module: nn.Module) -> list[str]:
    """Names of the linear layers of attention in a module."""
    return [
        name
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear)
        and name.rpartition(".")[2] in PROJECTIONS
        and name.split(".")[-2].startswith("att")
    ]


def add_adapters(module: nn.Module, *, target_modules: list[str], rank: int, alpha: float) -> None:
    """Add low-rank adapters to a module and freeze everything else.

    Args:
        module: module that is changed in place.
        target_modules: names of linear layers, or ends of names.
        rank: rank of the adapters.
        alpha: scale of the adapters; they are multiplied by alpha / rank.

    Raises:
        ImportError: peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ImportError('adapters need peft: pip install "lgrseg[peft]"') from error
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=target_modules)
    inject_adapter_in_model(config, module)
