r"""Show whether the uncertainty of runs tells where, and on which frames, they are wrong.

    python tools/uncertainty.py output/ar_next_scale output/unet --datasets camus_4ch_val \
        --output output/uncertainty
    python tools/uncertainty.py output/ar_next_scale --samples 8 --temperature 0.5 \
        --datasets camus_4ch_val --output output/uncertainty_of_samples

The uncertainty of a pixel is the entropy of its class probabilities (lgrseg/studies/uncertainty).
For AR-SEG they are decoded from soft tokens; with --samples N they are means over N sampled masks.
The uncertainty of a frame is the sum of the entropy, relative to the area of the structures.

Written to OUTPUT:

    uncertainty.md                 for every run: AUROC of the entropy for wrong pixels within
                                   --distance of the true contour, Spearman's correlation with
                                   Dice, areas under the risk-coverage curves (AURC)
    risk_coverage.csv              mean of 1 - Dice of the most certain frames, for every share
    risk_coverage_DATASET.png      the same as curves
    frames.csv                     uncertainty and Dice of every frame
    RUN_DATASET.png                the most certain and the most uncertain frames
"""

import argparse
import sys
from pathlib import Path

from lgrseg.config.targets import add_import_options, import_modules
from lgrseg.engine.loaded_run import LoadedRun
from lgrseg.failures import message_of
from lgrseg.reporting.run_names import distinct_names
from lgrseg.studies.uncertainty.frames import study
from lgrseg.studies.uncertainty.writing import write_study


def main() -> int:
    """Run the command line."""
    arguments = parse_arguments()
    try:
        import_modules(arguments.imports)
        studies = []
        for name, folder in zip(distinct_names(arguments.runs), arguments.runs, strict=True):
            run = LoadedRun(folder, name=name, trusted=arguments.trust)
            if arguments.samples > 1:
                sample_masks(run, arguments.samples, arguments.temperature)
            for dataset in arguments.datasets:
                studies.append(study(run, dataset, distance=arguments.distance))
        print(write_study(studies, arguments.output))
    except (KeyError, OSError, ValueError) as error:
        print(f"error: {message_of(error)}", file=sys.stderr)
        return 1
    return 0


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of runs")
    parser.add_argument("--datasets", nargs="+", required=True, metavar="NAME")
    parser.add_argument(
        "--distance",
        type=float,
        default=5.0,
        help="from the true contour, in pixels of the model's input (default 5)",
    )
    parser.add_argument(
        "--samples", type=int, default=1, metavar="N", help="of AR-SEG: masks that are sampled"
    )
    parser.add_argument(
        "--temperature", type=float, default=1.0, help="of the sampled tokens (default 1)"
    )
    parser.add_argument("--output", type=Path, default=Path("output/uncertainty"))
    add_import_options(parser)
    arguments = parser.parse_args()
    if arguments.temperature <= 0 or arguments.samples < 1:
        parser.error("--samples must be 1 or more, and --temperature above 0")
    return arguments


def sample_masks(run: LoadedRun, num_samples: int, temperature: float) -> None:
    """Let an AR-SEG sample several masks; its name says so.

    Raises:
        ValueError: the run is no AR-SEG.
    """
    from lgrseg.modeling.autoregressive.segmenter import ARSegmenter  # transformers take seconds

    model = run.member.model
    if not isinstance(model, ARSegmenter):
        raise ValueError(
            f"{run.name} is a {type(model).__name__}, which samples no masks: use --samples with "
            "runs of configs/ar_seg only"
        )
    model.num_samples, model.temperature = num_samples, temperature
    run.name = f"{run.name}, {num_samples} samples at {temperature:g}"


if __name__ == "__main__":
    sys.exit(main())
