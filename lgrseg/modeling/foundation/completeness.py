"""Whether a file has all of an encoder: one part left random would spoil a frozen encoder unseen.

Refused are tensors of another shape, tensors that the file lacks (but not those that a layout may
lack), and parts of an encoder that this one has no place for, such as one more block or registers.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.modeling.foundation.encoder import Encoder
from lgrseg.modeling.foundation.names import WHOLE_MODEL, Layout

PARTS = frozenset(
    "blocks cls_token downsample_layers embedder embeddings encoder layer layers norm patch_embed "
    "pos_embed pos_embed_window register_tokens rel_pos_bias stages storage_tokens".split()
)
"""First parts of names that encoders have, the authors' or the hub's."""
LAYER = re.compile(r"(?:^|\.)(?:layers?|blocks)\.(\d+)\.")
STAGE_AND_LAYER = re.compile(r"(?:stages|layers)\.(\d+)\.(?:layers|blocks)\.(\d+)\.")
SHOWN = 3


@dataclass(frozen=True)
class Fit:
    """A file, an encoder, and what of the one fitted into the other."""

    encoder: Encoder
    name: str
    """Of the encoder."""
    file: str
    layout: Layout
    siblings: list[str]
    """Encoders whose weights have this layout."""
    shapes: dict[str, tuple[int, ...]]
    """Of the file's tensors, by the model's names."""
    report: dict[str, list[str]]
    """From `load_pretrained`."""


def is_part(name: str, own: Iterable[str]) -> bool:
    """Whether a tensor without a place looks like a part of an encoder, not of what is beside it.

    Args:
        name: of it, by the hub's names where a rule knew it.
        own: names of the encoder's tensors.
    """
    if name.endswith("mask_token"):  # of pretraining, as decoders are
        return False
    first = re.sub(WHOLE_MODEL, "", name).split(".")[0]
    return first in PARTS or first in {key.split(".")[0] for key in own}


def check_complete(fit: Fit) -> None:
    """Raise CheckpointError where a tensor does not fit, is missing or has no place.

    The message names the tensors, both shapes, and what would fit.
    """
    own = {key: tuple(tensor.shape) for key, tensor in fit.encoder.model.state_dict().items()}
    reshaped, shapes = fit.report["reshaped"], fit.shapes
    missing = [key for key in fit.report["missing"] if fit.layout.needs(key)]
    parts = [key for key in fit.report["unexpected"] if is_part(key, own)]
    wrong = [f"{key} is {shapes[key]} in the file, {own[key]} in the encoder" for key in reshaped]
    wrong += [f"{key} {own[key]} of the encoder is not in the file" for key in missing]
    wrong += [f"{key} {shapes[key]} of the file has no place in the encoder" for key in parts]
    if not wrong:
        return
    more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    remedies = [
        *_of_registers(fit, missing, parts),
        *_of_stems(fit, own),
        *_of_depth(fit, own, parts),
    ] or [f"name the encoder that the weights are of ({', '.join(fit.siblings)}), or the settings"]
    raise CheckpointError(
        f"{fit.file} is not all of {fit.name}, so parts of it would stay random or be lost: "
        f"{'; '.join(wrong[:SHOWN])}{more}. What to do: {'; '.join(remedies)}"
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


def _of_stems(fit: Fit, own: dict[str, tuple[int, ...]]) -> list[str]:
    """For the first convolution: of another number of channels, or of another patch."""
    found = []
    for key in fit.report["reshaped"]:
        theirs, ours = fit.shapes[key], own[key]
        if not (len(theirs) == len(ours) == 4 and ours[1] == 3 and theirs[0] == ours[0]):
            continue
        if theirs[1] == 1:
            found.append(
                f"{key} is for images of one channel and gets three equal ones: save it as "
                "weight.repeat(1, 3, 1, 1) / 3"
            )
        elif theirs[1] != 3:
            found.append(f"{key} is for images of {theirs[1]} channels, and here they have 3")
        if theirs[2:] != ours[2:] and hasattr(fit.encoder, "patch_size"):
            found.append(f"set patch_size={theirs[2]}")
    return found


def _of_depth(fit: Fit, own: dict[str, tuple[int, ...]], parts: list[str]) -> list[str]:
    """For blocks too many or too few: the setting, and encoders of other depths."""
    config = fit.encoder.model.config
    names = [key for key in fit.shapes if key in own] + parts
    kind = f"or name the encoder that the weights are of ({', '.join(fit.siblings)})"
    if hasattr(config, "num_hidden_layers") and hasattr(fit.encoder, "patch_size"):
        numbers = [int(match[1]) for match in map(LAYER.search, names) if match]
        depth = 1 + max(numbers, default=-1)
        if depth != config.num_hidden_layers:
            return [f"set num_hidden_layers={depth}, {kind}"]
    elif hasattr(config, "depths"):
        depths = [0] * len(config.depths)
        for match in filter(None, map(STAGE_AND_LAYER.search, names)):
            stage, layer = int(match[1]), int(match[2])
            if stage < len(depths):
                depths[stage] = max(depths[stage], 1 + layer)
        if depths != list(config.depths):
            return [f"set depths={depths}, {kind}"]
    return []
