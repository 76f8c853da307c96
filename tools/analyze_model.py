"""Count the parameters and FLOPs of every part of a model.

python tools/analyze_model.py --config-file configs/lgrnet/demo.py --num-frames 7 --size 128 128
"""

import argparse
import sys

import torch
from rich.console import Console
from rich.table import Table

from lgrseg.config import load_asked_config
from lgrseg.config.targets import add_import_options
from lgrseg.layers.complexity import count
from lgrseg.modeling.building import build_model


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True)
    parser.add_argument(
        "--num-frames", type=int, default=7, help="number of frames of the clip (default 7)"
    )
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=None,
        metavar=("H", "W"),
        help="size of a frame in pixels; by default that of the test clips",
    )
    add_import_options(parser)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    arguments = parser.parse_args()
    try:
        cfg = load_asked_config(arguments)
    except (FileNotFoundError, KeyError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    loaders = [*cfg.dataloader.test.values(), cfg.dataloader.train]
    size = arguments.size or list(loaders[0].mapper.input_size)
    model = build_model(cfg, device="cpu").eval().deployed()
    parts = count(model, torch.zeros(arguments.num_frames, 1, *size))
    Console().print(table(parts, arguments.num_frames, size))
    return 0


def table(parts: dict[str, tuple[int, float]], num_frames: int, size: list[int]) -> Table:
    """Make a table of the counts."""
    result = Table(
        "part",
        "parameters (M)",
        "GFLOPs",
        title=f"one clip of {num_frames} frames, {size[0]} x {size[1]}",
        caption="A multiplication with its addition counts as one operation. Convolutions, matrix "
        "products and attention are counted; elementwise operations, softmax, sampling and the "
        "scan's recurrence are not.",
    )
    for name, (parameters, gflops) in parts.items():
        if name == "all":
            result.add_section()
        result.add_row(name, f"{parameters / 1e6:.3f}", f"{gflops:.3f}")
    return result


if __name__ == "__main__":
    sys.exit(main())
