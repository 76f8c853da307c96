r"""Make a small copy of a run for others: its weights in bfloat16, and its config.

    python tools/export_weights.py --run output/apical_simulated \
        --output lgrseg/pretrained/apical_simulated

The copy can be used like a run: lgrseg.Predictor.from_run(OUTPUT), tools/predict.py --run OUTPUT.
It has half the size, and nothing that is only needed to continue the training.
"""

import argparse
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from lgrseg.config import load_config, save_config, without_weights
from lgrseg.inference.run_files import run_files


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", required=True, type=Path, help="folder of a finished run")
    parser.add_argument("--weights", help="best, last, or a file (default: best if there is one)")
    parser.add_argument("--output", required=True, type=Path, help="folder of the copy")
    arguments = parser.parse_args()
    try:
        file = export(arguments.run, arguments.output, weights=arguments.weights)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")
    return 0


def export(run: Path, output: Path, *, weights: str | None = None) -> Path:
    """Write config.yaml and checkpoints/last.safetensors of a run to a folder.

    Args:
        run: folder of the run.
        output: folder of the copy; the two files in it are replaced.
        weights: checkpoint of the run, as in `run_files`.

    Returns:
        The file of the weights.

    Raises:
        FileNotFoundError: there is no such run, or it has no checkpoint.
    """
    config, checkpoint = run_files(run, weights)
    cfg = load_config(config)
    cfg.model = without_weights(cfg.model)
    cfg.train.output_dir = output.name
    tensors = {
        name: tensor.to(torch.bfloat16) if tensor.is_floating_point() else tensor
        for name, tensor in load_file(checkpoint).items()
    }
    file = output / "checkpoints" / "last.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file)
    file.chmod(0o644)  # as other files of a package
    save_config(cfg, output / "config.yaml")
    return file


if __name__ == "__main__":
    sys.exit(main())
