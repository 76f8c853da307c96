"""Smaller number types on a CPU: what they gain in time, and what they change in the masks."""

import copy
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from lgrseg.evaluation.metrics import overlap
from lgrseg.inference.exporting import FramesModel, seconds_of


def compare_precisions(model: FramesModel, frames: Tensor) -> dict[str, dict[str, float]]:
    """Time a model with float32, bfloat16 and int8 weights, and compare the masks.

    bfloat16 is torch's autocast. int8 is torch's dynamic quantisation, which knows linear layers
    only: convolutions, and products outside of layers, stay float32.

    Args:
        model: model on the CPU, in evaluation mode.
        frames: (T, 3, H, W) float32, one window of a clip.

    Returns:
        Name -> "ms" for the window, "ms_of_float32" measured just before, and "dice" of its masks
        with those of float32 (1: equal). "layers" is the number of int8 layers.
    """
    masks = _masks(model, frames)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its successor is another package
        warnings.simplefilter("ignore", UserWarning)
        quantised = torch.ao.quantization.quantize_dynamic(
            copy.deepcopy(model), {nn.Linear}, dtype=torch.qint8
        )
    results = {}
    runners: dict[str, Callable] = {"bfloat16": _autocast(model), "int8": quantised}
    for name, runner in runners.items():
        usual = seconds_of(model, frames)
        results[name] = {
            "ms": round(1000 * seconds_of(runner, frames), 1),
            "ms_of_float32": round(1000 * usual, 1),
            "dice": round(_dice(_masks(runner, frames), masks), 4),
        }
    results["int8"]["layers"] = sum(
        isinstance(module, torch.ao.nn.quantized.dynamic.Linear) for module in quantised.modules()
    )
    return results


def _autocast(model: nn.Module) -> Callable[[Tensor], tuple]:
    def run(frames: Tensor) -> tuple:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return model(frames)

    return run


@torch.no_grad()
def _masks(runner: Callable[[Tensor], tuple], frames: Tensor) -> Tensor:
    """(K, T, h, w) bool: where each class is."""
    return runner(frames)[0] > 0


def _dice(masks: Tensor, truth: Tensor) -> float:
    """Mean Dice over the classes that are in either; 1 if there are none."""
    parts = [part.flatten(1).sum(dim=1) for part in (masks & truth, masks, truth)]
    scores = overlap.dice(torch.stack(parts, dim=1).numpy())
    known = scores[~np.isnan(scores)]
    return float(known.mean()) if known.size else 1.0
