"""AdamW whose rate falls from block to block towards the image, for fine-tuning what is pretrained.

Source: Bao et al., "BEiT", ICLR 2022 (appendix; after Clark et al., "ELECTRA"). Early blocks of a
pretrained encoder hold what is general, so they are to move less than late ones.
"""

import torch
from torch import nn

from lgrseg.engine.solver import undecayed
from lgrseg.modeling.foundation.encoder import Encoder

POSITIONS = (
    "cls_token",
    "mask_token",
    "pos_embed",
    "pos_embed_window",
    "position_embeddings",
    "register_tokens",
    "relative_position_bias_table",
)
"""Names of parameters of encoders that are tables of embeddings, whatever their dimensions."""


def build_adamw_layer_decay(
    model: nn.Module,
    *,
    lr: float,
    layer_decay: float = 0.75,
    weight_decay: float = 0.05,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> torch.optim.AdamW:
    """AdamW with a rate for every block of the model's encoders.

        rate of block i of n (from 0) = lr * layer_decay ** (n - i)
        rate of the embeddings        = lr * layer_decay ** (n + 1)
        rate of all else              = lr

    What stands between two blocks (a stage's downsampling) has the rate of the block after it; an
    encoder's final norm has the full rate. Norms, biases, scales and tables of embeddings are not
    decayed.

    Args:
        model: with one or more `Encoder`s in it.
        lr: of heads and necks, at the schedule's factor of 1.
        layer_decay: from 0 to 1; 1 gives every block the same rate.
        weight_decay: of the weights.
        betas: of Adam.
        eps: what is added to the root of Adam's second moment; see `solver.build_adamw`.

    Raises:
        ValueError: a decay outside 0 to 1, or a model without an encoder, where it has no effect.
    """
    if not 0 < layer_decay <= 1:
        raise ValueError(f"layer_decay is above 0 and at most 1, not {layer_decay}")
    depths = _depths(model)
    if not depths:
        raise ValueError(
            "layer_decay is for the blocks of a pretrained encoder, and the model has none; "
            "use lgrseg.engine.solver.build_adamw"
        )
    plain = undecayed(model)
    groups: dict[tuple[int, bool], list] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            kept = name in plain or name.rpartition(".")[2] in POSITIONS
            groups.setdefault((depths.get(name, 0), kept), []).append(parameter)
    settings = [
        {
            "params": parameters,
            "lr": lr * layer_decay**depth,
            "weight_decay": 0.0 if kept else weight_decay,
        }
        for (depth, kept), parameters in sorted(groups.items(), key=lambda group: group[0])
    ]
    return torch.optim.AdamW(settings, lr=lr, betas=tuple(betas), eps=eps, fused=True)


def _depths(model: nn.Module) -> dict[str, int]:
    """How often the rate of each of the encoders' parameters is multiplied by the decay."""
    depths = {}
    for prefix, encoder in model.named_modules():
        inner = [part for part in encoder.modules() if isinstance(part, Encoder)]
        if inner != [encoder]:  # no encoder, or one made of others, which have their own turn
            continue
        blocks, start = encoder.blocks, f"{prefix}." if prefix else ""
        number_of = {id(p): i for i, block in enumerate(blocks) for p in block.parameters()}
        parameters, number = list(encoder.named_parameters()), len(blocks)
        for name, parameter in reversed(parameters):  # from the end: the next block is known
            number = number_of.get(id(parameter), number)
            depths[start + name] = len(blocks) - number
        for name, parameter in parameters:  # from the image on, up to the first block
            if id(parameter) in number_of:
                break
            depths[start + name] = len(blocks) + 1
    return depths
