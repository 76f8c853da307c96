"""AR-SEG: time of decoding one mask, and of segmenting one frame, for each order of tokens."""

from collections.abc import Callable
from pathlib import Path

import torch

from lgrseg.config import instantiate, load_config
from lgrseg.modeling.autoregressive.decoding import decode_masks
from lgrseg.modeling.autoregressive.segmenter import ARSegmenter
from lgrseg.structures import Clip
from lgrseg.studies.benchmarks.timing import Comparison, in_turns

CONFIGS = {name: Path(f"configs/ar_seg/{name}.py") for name in ("raster", "next_scale", "parallel")}
SIZE = 256
UNCACHED = "raster, without cache"


def run(*, repeats: int, device: str) -> list[Comparison]:
    """Measure both tables."""
    models = {name: ar_segmenter(name, device) for name in CONFIGS}
    decoders = {name: decoder(model, device) for name, model in models.items()}
    decoders[UNCACHED] = decoder(models["raster"], device, cached=False)
    note = f"Random weights, one frame of {SIZE} px, {(SIZE // 16) ** 2} mask tokens."
    decoding = in_turns(decoders, repeats=repeats, device=device)
    frames = {name: segmenter(model, device) for name, model in models.items()}
    whole = in_turns(frames, repeats=repeats, device=device)
    return [
        Comparison("AR-SEG, decoding of mask tokens", decoding, UNCACHED, note).show(),
        Comparison("AR-SEG, whole prediction of a frame", whole, "raster", note).show(),
    ]


def ar_segmenter(name: str, device: str) -> ARSegmenter:
    """The model of a config, from random weights."""
    torch.manual_seed(0)
    cfg = load_config(CONFIGS[name], ["model.tokenizer.weights=null"])
    return instantiate(cfg.model).to(device).eval()


def decoder(model: ARSegmenter, device: str, *, cached: bool = True) -> Callable[[], object]:
    """A function that predicts the tokens of one mask from random image tokens."""
    side, sequence = SIZE // 16, model.sequence
    image = torch.randn(1, sequence.trunk.width, side, side, device=device)

    @torch.inference_mode()
    def decode():
        requested = torch.ones(1, model.num_classes, dtype=torch.bool, device=device)
        return decode_masks(sequence, sequence.prefix(image, requested), cached=cached)

    return decode


def segmenter(model: ARSegmenter, device: str) -> Callable[[], object]:
    """A function that segments one random frame."""
    clip = Clip(torch.rand(1, 1, SIZE, SIZE, device=device), torch.arange(1), "random")

    @torch.inference_mode()
    def segment():
        return model([clip])

    return segment
