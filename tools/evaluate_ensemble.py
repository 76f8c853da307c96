r"""Evaluate one or several runs together: the mean of their class probabilities.

    python tools/evaluate_ensemble.py output/pvt_fpn output/lgrnet --datasets camus_4ch_val --tta

The runs may have different models and input sizes, but need the same classes and test frames. Each
is used with its best checkpoint, or its last one if there is no best. --tta averages five views of
every clip too: rotated by 5 degrees and made smaller, brighter, darker. This takes five times as
long. Results are printed, and written to OUTPUT/eval/DATASET/results.json.
"""

import argparse
import sys
from pathlib import Path

from lgrseg.config.targets import add_import_options
from lgrseg.engine.ensemble import evaluate_ensemble
from lgrseg.engine.loaded_run import LoadedRun
from lgrseg.evaluation.results import write_results
from lgrseg.failures import message_of
from lgrseg.reporting.tables import print_results


def main() -> int:
    """Run the command line; the exit status is 1 after an error."""
    arguments = parse_arguments()
    try:
        runs = [
            LoadedRun(
                run,
                weights=arguments.weights,
                device=arguments.device,
                tta=arguments.tta,
                imports=arguments.imports,
                trusted=arguments.trust,
            )
            for run in arguments.runs
        ]
        for dataset in arguments.datasets or runs[0].cfg.dataloader.test:
            results = evaluate_ensemble(runs, dataset)
            print_results(results)
            print(write_results(results, arguments.output / "eval" / dataset))
    except (KeyError, OSError, ValueError) as error:
        print(f"error: {message_of(error)}", file=sys.stderr)
        return 1
    return 0


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument(
        "--datasets",
        nargs="+",
        default=[],
        metavar="NAME",
        help="test datasets (default: those of the first run)",
    )
    parser.add_argument("--tta", action="store_true", help="test-time augmentation")
    parser.add_argument("--weights", help="checkpoint of every run: best or last")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("output/ensemble"),
        help="folder of the results (default: output/ensemble)",
    )
    add_import_options(parser)
    return parser.parse_intermixed_args()


if __name__ == "__main__":
    sys.exit(main())
