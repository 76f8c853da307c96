"""Weights for an encoder: found here or on the hub, renamed, positions fitted, checked."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.checkpoint.pretrained import load_pretrained
from lgrseg.modeling.foundation.completeness import Fit, check_complete, is_part
from lgrseg.modeling.foundation.encoder import Encoder
from lgrseg.modeling.foundation.names import Layout, Tensors, to_module

MIN_OVERLAP = 0.9
"""Of the tensors of the encoder, and of the file's own encoder. Less is another model, and then the
message says so, not which of its tensors do not fit."""
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def load_encoder_weights(
    encoder: Encoder, file: str | Path, *, name: str, layout: Layout, siblings: list[str]
) -> dict[str, list[str]]:
    """Load published weights into an encoder and log the table of what fitted.

    Afterwards nothing of the encoder is random, or this is an error (completeness.py). Heads and
    whatever else a file has beside the encoder may be left over.

    Position embeddings and tables of relative positions made for another grid are interpolated
    here, to the grid of the encoder's `image_size`; every other size follows at run time.

    Args:
        encoder: changed in place; after an error it is of no use.
        file: from `local_file`.
        name: of the encoder, for messages.
        layout: of its published weights.
        siblings: names of all encoders whose weights have this layout, for messages.

    Returns:
        The report of `load_pretrained`.

    Raises:
        CheckpointError: weights of another model or size, none at all, or not all of the encoder's.
    """
    model = encoder.model
    own, shapes, left_out = model.state_dict(), {}, []

    def picked(tensors: Tensors, pick: Callable[[Tensors], Tensors]) -> Tensors:
        kept = pick(tensors)
        taken = {id(tensor) for tensor in kept.values()}
        left_out.extend(name for name, tensor in tensors.items() if id(tensor) not in taken)
        return kept

    def translate(tensors: Tensors) -> Tensors:
        tensors = layout.to_hub(picked(tensors, layout.pick), model.config)
        tensors = picked(picked(tensors, layout.pick), lambda found: to_module(found, own))
        for key in own.keys() & tensors.keys():
            tensors[key] = fit_positions(key, tensors[key], own[key], layout)
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
    loaded = len(report["loaded"])
    parts = [key for key in report["unexpected"] if is_part(key, own)]
    needed = len(own) - sum(not layout.needs(key) for key in report["missing"])
    if loaded < MIN_OVERLAP * needed or len(parts) > (1 - MIN_OVERLAP) * loaded:
        example = f"the file has {', '.join(list(shapes)[:3])}, ..."
        if report["reshaped"]:
            key = report["reshaped"][0]
            example = f"{key} is {shapes[key]} in the file, {tuple(own[key].shape)} in the encoder"
        raise CheckpointError(
            f"{file} is hardly of {name}: {loaded} of the encoder's {needed} tensors are in it, "
            f"{len(report['unexpected'])} of the file's have no place ({example}). Name the "
            f"encoder that the weights are of; those of this kind are {', '.join(siblings)}"
        )
    check_complete(Fit(encoder, name, str(file), layout, siblings, shapes, report))
    return report


def local_file(weights: str) -> str | Path:
    """Where the file is: a file or a folder here, or what the hub has under an id.

    Raises:
        FileNotFoundError: nothing of that name here, and it is no id, or it cannot be fetched.
    """
    path = Path(weights)
    if path.is_dir():
        if not (path / "model.safetensors").is_file():
            raise FileNotFoundError(
                f"{path} has no model.safetensors; name the file itself if it is called otherwise"
            )
        return path / "model.safetensors"
    if path.is_file() or weights.startswith("hub:"):
        return path if path.is_file() else weights
    if path.suffix in (".safetensors", ".pth", ".pt") or not HUB_ID.fullmatch(weights):
        raise FileNotFoundError(f"no weights {weights}: neither a file, nor a folder, nor a hub id")
    return _fetched(weights)


def _fetched(repository: str) -> str:
    from huggingface_hub import hf_hub_download

    try:
        return hf_hub_download(repository, "model.safetensors")
    except Exception as error:  # a dozen kinds, of the hub and of the connection below it
        raise FileNotFoundError(
            f"{repository} is no folder here, and model.safetensors of that name could not be "
            f"fetched from the Hugging Face hub ({type(error).__name__}): fetch it where there is "
            "a network, and give the folder that holds it"
        ) from error


def fit_positions(name: str, tensor: Tensor, wanted: Tensor, layout: Layout) -> Tensor:
    """Positions of another square grid, interpolated; everything else as it is.

    Args:
        name: in the model; what ends in `position_embeddings` or in BEiT's
            `relative_position_bias.relative_position_bias_table` is fitted.
        tensor: of the file; (1, rows, C), or (rows, heads).
        wanted: of the model.
        layout: knows how many rows are of the class token.
    """
    if tensor.shape == wanted.shape or tensor.dim() != wanted.dim():
        return tensor
    if name.endswith("embeddings.position_embeddings"):
        extra = layout.num_class_positions
        grid = _resized(tensor[0, extra:], len(wanted[0]) - extra, mode="bicubic")
        return tensor if grid is None else torch.cat([tensor[0, :extra], grid])[None]
    if name.endswith("relative_position_bias_table") and layout.num_class_positions:
        # The last three rows are those from, to and of the class token.
        grid = _resized(tensor[:-3], len(wanted) - 3, mode="bilinear")
        return tensor if grid is None else torch.cat([grid, tensor[-3:]])
    return tensor


def _resized(rows: Tensor, wanted: int, *, mode: str) -> Tensor | None:
    before, after = math.isqrt(len(rows)), math.isqrt(wanted)
    if before**2 != len(rows) or after**2 != wanted:
        return None
    grid = rearrange(rows, "(h w) c -> 1 c h w", h=before)
    grid = F.interpolate(grid.float(), (after, after), mode=mode, align_corners=False)
    return rearrange(grid, "1 c h w -> (h w) c").to(rows.dtype)
