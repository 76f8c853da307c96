"""Pretrained encoders: time and memory of one image, at two sizes."""

import time
from typing import Any

import torch

from lgrseg.modeling.foundation import ENCODERS, build_encoder
from lgrseg.studies.benchmarks.machine import peak_rss_mib
from lgrseg.studies.benchmarks.timing import Comparison, in_turns

SIZES = ((224, 224), (352, 320))
"""(H, W): the usual pretraining size, and a size that is not divisible by 14."""


def run(
    *,
    repeats: int,
    device: str,
    encoders: dict[str, dict[str, Any]] | None = None,
    sizes: tuple[tuple[int, int], ...] = SIZES,
) -> list[Comparison]:
    """Measure all encoders; returns one table per size.

    Args:
        repeats: number of measurements of each encoder.
        device: "cpu" or "cuda". On the CPU, memory is measured in a separate process, including
            Python, torch, transformers and the weights.
        encoders: settings by name; None means all of the registry as published.
        sizes: (H, W) of the images in pixels.
    """
    encoders = dict.fromkeys(ENCODERS, {}) if encoders is None else encoders
    return [_table(size, encoders, repeats=repeats, device=device).show() for size in sizes]


def _table(
    size: tuple[int, int], encoders: dict[str, dict[str, Any]], *, repeats: int, device: str
) -> Comparison:
    timings = {}
    # One encoder at a time, because all together do not fit in memory.
    for name, settings in encoders.items():
        begin = time.perf_counter()
        call = EncodeOnce(name, settings, size, device)
        label = f"{name}, {call.parameters / 1e6:.1f} M"
        timings[label] = in_turns({label: call}, repeats=repeats, device=device)[label]
        del call
        if device == "cpu":
            arguments = (name, settings, size, device)
            timings[label].peak_mib = peak_rss_mib(EncodeOnce, *arguments, repeats=1)
        print(f"{label}: measured in {time.perf_counter() - begin:.0f} s", flush=True)
    note = "Random weights, one image, float32, no gradients."
    if device == "cpu":
        note += " Memory is that of a whole process, with Python and the libraries."
    height, width = size
    return Comparison(f"Encoders at {height} x {width} px", timings, next(iter(timings)), note)


class EncodeOnce:
    """Encodes one image when it is called."""

    def __init__(self, name: str, settings: dict[str, Any], size: tuple[int, int], device: str):
        torch.manual_seed(0)
        self.encoder = build_encoder(name, **settings).to(device).eval()
        self.image = torch.rand(1, 3, *size, device=device)
        self.parameters = sum(p.numel() for p in self.encoder.parameters())

    @torch.inference_mode()
    def __call__(self) -> list[torch.Tensor]:
        """Return the feature maps."""
        return self.encoder(self.image)
