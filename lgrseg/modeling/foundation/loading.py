"""Loads the weights of an encoder: file, names of tensors, positions, and completeness."""

import math
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from lgrseg.checkpoint.pretrained import load_pretrained
from lgrseg.modeling.foundation.completeness import Fit, check_belongs, check_complete
from lgrseg.modeling.foundation.encoder import TransformersEncoder
from lgrseg.modeling.foundation.layouts import Layout
from lgrseg.modeling.foundation.names import Tensors, to_module


def load_encoder_weights(
    encoder: TransformersEncoder,
    file: str | Path,
    *,
    name: str,
    layout: Layout,
    siblings: list[str],
) -> dict[str, list[str]]:
    """Load pretrained weights into an encoder, and log a table of the matching tensors.

    If a part of the encoder would stay random, an error is raised (completeness.py). Heads and
    other parts of the file that do not belong to the encoder are ignored.

    Position embeddings and tables of relative positions of another grid are interpolated to the
    grid of the encoder's `image_size`; for other image sizes this is done at run time.

    Args:
        encoder: encoder whose weights are replaced; it cannot be used after an error.
        file: weight file from `local_file`.
        name: name of the encoder, for messages.
        layout: layout of its published weights.
        siblings: names of all encoders whose weights have this layout, for messages.

    Returns:
        The report of `load_pretrained`.

    Raises:
        CheckpointError: the weights belong to another model or size, or are incomplete.
    """
    model = encoder.model
    expected = model.state_dict()
    shapes: dict[str, tuple[int, ...]] = {}
    left_out: list[str] = []

    def picked(tensors: Tensors, pick: Callable[[Tensors], Tensors]) -> Tensors:
        selected = pick(tensors)
        selected_ids = {id(tensor) for tensor in selected.values()}
        left_out.extend(name for name, tensor in tensors.items() if id(tensor) not in selected_ids)
        return selected

    def translate(tensors: Tensors) -> Tensors:
        tensors = layout.to_hub(picked(tensors, layout.pick), model.config)
        tensors = picked(
            picked(tensors, layout.pick), lambda candidates: to_module(candidates, expected)
        )
        for key in expected.keys() & tensors.keys():
            tensors[key] = fit_positions(key, tensors[key], expected[key], layout)
        shapes.update({key: tuple(tensor.shape) for key, tensor in tensors.items()})
        return tensors

    report = load_pretrained(
        model,
        file,
        translate=translate,
        left_out=left_out,
        ignore=layout.ignore,
        min_overlap=0.0,
    )
    fit = Fit(encoder, name, str(file), layout, siblings, shapes, report)
    check_belongs(fit)
    check_complete(fit)
    return report


def fit_positions(name: str, tensor: Tensor, expected: Tensor, layout: Layout) -> Tensor:
    """Interpolate positions of another square grid; return other tensors unchanged.

    Args:
        name: name in the model; names that end with `position_embeddings` or with BEiT's
            `relative_position_bias.relative_position_bias_table` are interpolated.
        tensor: tensor of the file; (1, rows, C), or (rows, heads).
        expected: tensor of the model, for its shape.
        layout: layout of the weights, with the number of rows of the class token.
    """
    if tensor.shape == expected.shape or tensor.dim() != expected.dim():
        return tensor
    if name.endswith("embeddings.position_embeddings"):
        extra = layout.num_class_positions
        grid = _resized(tensor[0, extra:], len(expected[0]) - extra, mode="bicubic")
        return tensor if grid is None else torch.cat([tensor[0, :extra], grid])[None]
    if name.endswith("relative_position_bias_table") and layout.num_class_positions:
        # The last three rows belong to the class token.
        grid = _resized(tensor[:-3], len(expected) - 3, mode="bilinear")
        return tensor if grid is None else torch.cat([grid, tensor[-3:]])
    return tensor


def _resized(rows: Tensor, num_rows: int, *, mode: str) -> Tensor | None:
    side, new_side = math.isqrt(len(rows)), math.isqrt(num_rows)
    if side**2 != len(rows) or new_side**2 != num_rows:
        return None
    grid = rearrange(rows, "(h w) c -> 1 c h w", h=side)
    grid = F.interpolate(grid.float(), (new_side, new_side), mode=mode, align_corners=False)
    return rearrange(grid, "1 c h w -> (h w) c").to(rows.dtype)
