"""Checks that a file belongs to an encoder, and has all its weights.

A frozen encoder with one random part would be useless without any warning. The check rejects
tensors of another shape, missing tensors (except those that a layout may lack), and encoder parts
that this encoder does not have, such as another block or registers.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.modeling.foundation.encoder import TransformersEncoder
from lgrseg.modeling.foundation.layouts import Layout
from lgrseg.modeling.foundation.names import WHOLE_MODEL

PARTS = frozenset(
    "blocks cls_token downsample_layers embedder embeddings encoder layer layers norm patch_embed "
    "pos_embed pos_embed_window register_tokens rel_pos_bias stages storage_tokens".split()
)
"""First parts of the tensor names of encoders, in files of the authors or of the hub."""
LAYER = re.compile(r"(?:^|\.)(?:layers?|blocks)\.(\d+)\.")
STAGE_AND_LAYER = re.compile(r"(?:stages|layers)\.(\d+)\.(?:layers|blocks)\.(\d+)\.")
SHOWN = 3
MIN_OVERLAP = 0.9
"""Smallest share of matching tensors, of the encoder and of the file's encoder. With a smaller
share the file belongs to another model. The message then states this and does not list tensors."""


@dataclass(frozen=True)
class Fit:
    """A weight file, an encoder, and the report of which tensors matched."""

    encoder: TransformersEncoder
    name: str
    """Name of the encoder."""
    file: str
    layout: Layout
    siblings: list[str]
    """Names of all encoders whose weights have this layout."""
    shapes: dict[str, tuple[int, ...]]
    """Shapes of the file's tensors, by the model's names."""
    report: dict[str, list[str]]
    """Report of `load_pretrained`."""


def is_part(name: str, expected: Iterable[str]) -> bool:
    """True if an unexpected tensor looks like a part of an encoder, not of a head or decoder.

    Args:
        name: name of the tensor; the name on the hub if a rule converted it.
        expected: names of the encoder's tensors.
    """
    if name.endswith("mask_token"):  # only for pretraining, like decoders
        return False
    first = re.sub(WHOLE_MODEL, "", name).split(".")[0]
    return first in PARTS or first in {key.split(".")[0] for key in expected}


def check_belongs(fit: Fit) -> None:
    """Raise CheckpointError if the file is of another model, or of another size of the encoder."""
    expected, report = fit.encoder.model.state_dict(), fit.report
    loaded = len(report["loaded"])
    parts = [key for key in report["unexpected"] if is_part(key, expected)]
    needed = len(expected) - sum(not fit.layout.needs(key) for key in report["missing"])
    if loaded >= MIN_OVERLAP * needed and len(parts) <= (1 - MIN_OVERLAP) * loaded:
        return
    example = f"the file has {', '.join(list(fit.shapes)[:3])}, ..."
    if report["reshaped"]:
        key = report["reshaped"][0]
        example = (
            f"{key} is {fit.shapes[key]} in the file, {tuple(expected[key].shape)} in the encoder"
        )
    raise CheckpointError(
        f"{fit.file} does not belong to {fit.name}: it has {loaded} of the encoder's {needed} "
        f"tensors, and {len(report['unexpected'])} unexpected ones ({example}). Choose the encoder "
        f"of these weights; encoders with this layout are {', '.join(fit.siblings)}"
    )


def check_complete(fit: Fit) -> None:
    """Raise CheckpointError if a tensor has another shape, is missing or is unexpected.

    The message has the tensors, both shapes, and possible remedies.
    """
    expected = {key: tuple(tensor.shape) for key, tensor in fit.encoder.model.state_dict().items()}
    reshaped, shapes = fit.report["reshaped"], fit.shapes
    missing = [key for key in fit.report["missing"] if fit.layout.needs(key)]
    parts = [key for key in fit.report["unexpected"] if is_part(key, expected)]
    wrong = [
        f"{key} is {shapes[key]} in the file, {expected[key]} in the encoder" for key in reshaped
    ]
    wrong += [f"{key} {expected[key]} of the encoder is not in the file" for key in missing]
    wrong += [f"{key} {shapes[key]} of the file is not in the encoder" for key in parts]
    if not wrong:
        return
    more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    remedies = [
        *_of_registers(fit, missing, parts),
        *_of_stems(fit, expected),
        *_of_depth(fit, expected, parts),
    ] or [
        f"choose the encoder of these weights ({', '.join(fit.siblings)}), or change its settings"
    ]
    raise CheckpointError(
        f"{fit.file} does not match {fit.name}, so parts would stay random or be lost: "
        f"{'; '.join(wrong[:SHOWN])}{more}. Remedy: {'; '.join(remedies)}"
    )


def _of_registers(fit: Fit, missing: list[str], parts: list[str]) -> list[str]:
    for key in fit.report["reshaped"]:
        if key.endswith("register_tokens"):
            return [f"set num_register_tokens={fit.shapes[key][1]}"]
    plain, ending = fit.name.removesuffix("_registers"), ("register_tokens", "storage_tokens")
    if any(key.endswith(ending) for key in missing) and plain != fit.name:
        return [f"these are weights without registers, of {plain}"]
    sibling = f"{fit.name}_registers"
    if any(key.endswith(ending) for key in parts) and sibling in fit.siblings:
        return [f"these are weights with registers, of {sibling}"]
    return []


def _of_stems(fit: Fit, expected: dict[str, tuple[int, ...]]) -> list[str]:
    """Remedies for a first convolution with other channels or another patch size."""
    remedies = []
    for key in fit.report["reshaped"]:
        theirs, ours = fit.shapes[key], expected[key]
        if not (len(theirs) == len(ours) == 4 and ours[1] == 3 and theirs[0] == ours[0]):
            continue
        if theirs[1] == 1:
            remedies.append(
                f"{key} is for images with one channel, but images here have three equal channels: "
                "save it as weight.repeat(1, 3, 1, 1) / 3"
            )
        elif theirs[1] != 3:
            remedies.append(
                f"{key} is for images with {theirs[1]} channels, but images here have 3"
            )
        if theirs[2:] != ours[2:] and hasattr(fit.encoder, "patch_size"):
            remedies.append(f"set patch_size={theirs[2]}")
    return remedies


def _of_depth(fit: Fit, expected: dict[str, tuple[int, ...]], parts: list[str]) -> list[str]:
    """Remedies for too many or too few blocks: the setting, and encoders with other depths."""
    config = fit.encoder.model.config
    names = [key for key in fit.shapes if key in expected] + parts
    other_encoder = f"or choose the encoder of these weights ({', '.join(fit.siblings)})"
    if hasattr(config, "num_hidden_layers") and hasattr(fit.encoder, "patch_size"):
        numbers = [int(match[1]) for match in map(LAYER.search, names) if match]
        depth = 1 + max(numbers, default=-1)
        if depth != config.num_hidden_layers:
            return [f"set num_hidden_layers={depth}, {other_encoder}"]
    elif hasattr(config, "depths"):
        depths = [0] * len(config.depths)
        for match in filter(None, map(STAGE_AND_LAYER.search, names)):
            stage, layer = int(match[1]), int(match[2])
            if stage < len(depths):
                depths[stage] = max(depths[stage], 1 + layer)
        if depths != list(config.depths):
            return [f"set depths={depths}, {other_encoder}"]
    return []
