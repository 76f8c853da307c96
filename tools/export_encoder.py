r"""Save the encoder of a run, so that other models can start from it.

    python tools/export_encoder.py --run output/pretraining_usfm_camus --output weights/camus.pth
    python tools/train_net.py --config-file configs/foundation/usfm_upernet.py dataset=camus \
        model.backbone.encoder.name=usfm_tiny model.backbone.encoder.weights=weights/camus.pth

The names of the weights are those of USFM's or MAE's checkpoints for a ViT, and those of EMP-SSL's
(and so of VFM4US') for a ResNet; other encoders keep those of the installed transformers. The file
has no head, and no optimizer. The run can also be supervised, such as one of configs/foundation.
"""

import argparse
import sys
from pathlib import Path

import torch

from lgrseg.config import load_config
from lgrseg.inference.run_files import run_files
from lgrseg.modeling import build_model
from lgrseg.modeling.pretraining.exporting import published_weights


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", required=True, type=Path, help="folder of a run")
    parser.add_argument("--weights", help="last, or a file of the run (default: last)")
    parser.add_argument("--output", required=True, type=Path, help="the .pth file to write")
    arguments = parser.parse_args()
    try:
        export(arguments.run, arguments.output, weights=arguments.weights)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.1f} MB")
    return 0


def export(run: Path, output: Path, *, weights: str | None = None) -> None:
    """Write the weights of a run's encoder to a file, with the names of a published checkpoint.

    Args:
        run: folder of a run.
        output: .pth file, which is replaced.
        weights: checkpoint of the run, as in `run_files`.

    Raises:
        FileNotFoundError: there is no such run, or it has no checkpoint.
        ValueError: the run has no encoder that can be saved.
    """
    config, checkpoint = run_files(run, weights)
    model = build_model(load_config(config), weights=checkpoint, device="cpu")
    tensors = published_weights(model)
    output.parent.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, output)


if __name__ == "__main__":
    sys.exit(main())
