"""AdamW with layer-wise learning-rate decay, for fine-tuning pretrained encoders.

Source: Bao et al., "BEiT", ICLR 2022 (appendix; after Clark et al., "ELECTRA"). Early blocks of a
pretrained encoder compute general features, so they should change less than late ones.
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
"""Names of encoder parameters that are embeddings."""


def build_adamw_layer_decay(
    model: nn.Module,
    *,
    lr: float,
    layer_decay: float = 0.75,
    weight_decay: float = 0.05,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> torch.optim.AdamW:
    """Build an AdamW with a learning rate for every block of the model's encoders.

        rate of block i of n (from 0) = lr * layer_decay ** (n - i)
        rate of the embeddings        = lr * layer_decay ** (n + 1)
        rate of all else              = lr

    Layers between two blocks (downsampling) have the rate of the next block; an encoder's final
    norm has the full rate. There is no weight decay of norms, biases, scales and embeddings.

    Args:
        model: model that contains one or more `Encoder`s.
        lr: learning rate of heads and necks, for a schedule factor of 1.
        layer_decay: factor of the rate from block to block, above 0 to 1; 1 gives all blocks the
            same rate.
        weight_decay: weight decay of the matrices.
        betas: coefficients of Adam's moving averages.
        eps: term added to the root of Adam's second moment, see `solver.build_adamw`.

    Raises:
        ValueError: `layer_decay` is out of range, or the model has no encoder.
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
            has_no_decay = name in plain or name.rpartition(".")[2] in POSITIONS
            groups.setdefault((depths.get(name, 0), has_no_decay), []).append(parameter)
    settings = [
        {
            "params": parameters,
            "lr": lr * layer_decay**depth,
            "weight_decay": 0.0 if has_no_decay else weight_decay,
        }
        for (depth, has_no_decay), parameters in sorted(groups.items(), key=lambda group: group[0])
    ]
    first, second = betas
    return torch.optim.AdamW(settings, lr=lr, betas=(first, second), eps=eps, fused=True)


def _depths(model: nn.Module) -> dict[str, int]:
    """Number of multiplications with the decay for each parameter of the encoders."""
    depths = {}
    for prefix, encoder in model.named_modules():
        inner = [part for part in encoder.modules() if isinstance(part, Encoder)]
        # An encoder that consists of other encoders is left out, because these come separately.
        if inner != [encoder]:
            continue
        blocks, start = encoder.blocks, f"{prefix}." if prefix else ""
        number_of = {id(p): i for i, block in enumerate(blocks) for p in block.parameters()}
        parameters, number = list(encoder.named_parameters()), len(blocks)
        for name, parameter in reversed(parameters):  # backwards, so that the next block is known
            number = number_of.get(id(parameter), number)
            depths[start + name] = len(blocks) - number
        for name, parameter in parameters:  # forwards, up to the first block
            if id(parameter) in number_of:
                break
            depths[start + name] = len(blocks) + 1
    return depths
