"""Parameters and floating-point operations of a model."""

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lgrseg.structures import Clip


def count(model: torch.nn.Module, frames: torch.Tensor) -> dict[str, tuple[int, float]]:
    """Parameters and GFLOPs (one multiply-add is one FLOP) of each part and of the whole model.

    For a model with a teacher, pass `model.deployed()`, the part that predicts. Gradients must be
    enabled: in inference mode torch counts no matrix products, and without gradients its counter
    fails on parameters that one module passes to another.

    Args:
        model: model that takes a list of clips.
        frames: (T, C, H, W) frames of an example clip, 0 to 1.
    """
    whole_frame = torch.tensor([0.5, 0.5, 1.0, 1.0])
    classes = range(getattr(model, "num_classes", None) or 0)
    boxes = {0: dict.fromkeys(classes, whole_frame)}  # only BOX-SAM2 uses them
    clip = Clip(frames, torch.arange(len(frames)), "example", boxes=boxes)
    counter = FlopCounterMode(display=False)
    # The plain attention implementation uses matrix products, which the counter knows.
    with sdpa_kernel(SDPBackend.MATH), counter:
        model([clip])
    flops = {name: sum(ops.values()) / 2e9 for name, ops in counter.get_flop_counts().items()}
    parts = {}
    for name, part in model.named_children():
        parameters = sum(p.numel() for p in part.parameters())
        if parameters:
            parts[name] = (parameters, flops.get(f"{type(model).__name__}.{name}", 0.0))
    everything = sum(p.numel() for p in model.parameters())
    return parts | {"all": (everything, flops["Global"])}


def trained_share(model: torch.nn.Module) -> tuple[int, int]:
    """The number of trained parameters of a model, and the number of all parameters."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, trained in sizes if trained), sum(size for size, _ in sizes)
