"""Parameters and FLOPs of a model, part by part.

python tools/analyze_model.py --config-file configs/lgrnet/phantom.py --num-frames 7 --size 128 128
"""

import argparse
import sys

import torch
from rich.console import Console
from rich.table import Table
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lgrseg.config import instantiate, load_config
from lgrseg.structures import Clip


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True)
    parser.add_argument("--num-frames", type=int, default=7, help="of the clip (default 7)")
    parser.add_argument("--size", type=int, nargs=2, default=None, metavar=("H", "W"))
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    arguments = parser.parse_args()
    try:
        cfg = load_config(arguments.config_file, arguments.overrides)
    except (FileNotFoundError, KeyError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    size = arguments.size or list(next(iter(cfg.dataloader.test.values())).mapper.input_size)
    model = instantiate(cfg.model).eval()
    parts = count(model, torch.zeros(arguments.num_frames, 1, *size))
    Console().print(table(parts, arguments.num_frames, size))
    return 0


def count(model: torch.nn.Module, frames: torch.Tensor) -> dict[str, tuple[int, float]]:
    """Parameters and GFLOPs (a multiplication with its addition is one) of each part, and in all.

    Args:
        model: takes a list of clips.
        frames: (T, C, H, W) of the clip to count on.
    """
    clip = Clip(frames, torch.arange(len(frames)), "example")
    counter = FlopCounterMode(display=False)
    # The plain form of attention is made of products, which are counted.
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


def table(parts: dict[str, tuple[int, float]], num_frames: int, size: list[int]) -> Table:
    """The counts as a person reads them."""
    result = Table(
        "part",
        "parameters (M)",
        "GFLOPs",
        title=f"one clip of {num_frames} frames, {size[0]} x {size[1]}",
        caption="A multiplication with its addition is one. Counted: convolutions, matrix "
        "products, attention; not counted: elementwise operations, softmax, sampling, the scan's "
        "recurrence.",
    )
    for name, (parameters, gflops) in parts.items():
        if name == "all":
            result.add_section()
        result.add_row(name, f"{parameters / 1e6:.3f}", f"{gflops:.3f}")
    return result


if __name__ == "__main__":
    sys.exit(main())
