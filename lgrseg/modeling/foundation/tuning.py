"""Which part of an encoder is trained: none, its last blocks, adapters, or all (do nothing).

Each takes the encoder and gives it back, changed in place, so that a config can nest them:

    encoder=L(unfrozen_last)(encoder=L(build_encoder)(name="dinov2_small"), num_blocks=2)

What is frozen stays in eval mode while the rest trains (encoder.py).
"""

from torch import nn

from lgrseg.modeling.foundation.encoder import Encoder, keep_frozen_in_eval

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "query", "key", "value", "qkv", "proj")
"""Names of attention's linear layers, in all of transformers' models used here."""


def frozen(*, encoder: Encoder) -> Encoder:
    """Nothing of the encoder is trained."""
    encoder.requires_grad_(False)
    keep_frozen_in_eval(encoder)
    return encoder


def unfrozen_last(*, encoder: Encoder, num_blocks: int) -> Encoder:
    """The last blocks are trained, and what comes after them (the final norm); the rest is frozen.

    Raises:
        ValueError: more blocks than there are, or none.
    """
    blocks = encoder.blocks
    if not 1 <= num_blocks <= len(blocks):
        raise ValueError(
            f"num_blocks is from 1 to {len(blocks)} for this encoder, not {num_blocks}; "
            "frozen() trains none of it"
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
    """The encoder is frozen but for low-rank adapters on its attention.

    Source: Hu et al., "LoRA", ICLR 2022; by peft, in place, so names gain `.base_layer` and
    `.lora_A.default`.

    Args:
        encoder: one with attention, its weights already loaded.
        rank: of an adapter.
        alpha: adapters are scaled by alpha / rank.

    Raises:
        ImportError: peft is not installed.
        ValueError: the encoder has no attention.
    """
    targets = [
        name
        for name, module in encoder.named_modules()
        if isinstance(module, nn.Linear)
        and name.rpartition(".")[2] in PROJECTIONS
        and name.split(".")[-2].startswith("att")
    ]
    if not targets:
        raise ValueError("adapters go on attention, and this encoder has none: use unfrozen_last")
    frozen(encoder=encoder)
    add_adapters(encoder, target_modules=targets, rank=rank, alpha=alpha)
    return encoder


def add_adapters(module: nn.Module, *, target_modules: list[str], rank: int, alpha: float) -> None:
    """Low-rank adapters, the only trained part of the module from then on.

    Args:
        module: changed in place.
        target_modules: names of linear layers, or their ends.
        rank: of an adapter.
        alpha: adapters are scaled by alpha / rank.

    Raises:
        ImportError: peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ImportError('adapters need peft: pip install "lgrseg[peft]"') from error
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=target_modules)
    inject_adapter_in_model(config, module)
