r"""Show where a classifier finds the evidence for its answers, and which answers are wrong.

    python tools/explain_labels.py output/usfm_classify --dataset class_folders_test \
        --output output/evidence

Shown are the --count clips whose true class has the lowest probability, so sure mistakes come
first. Written to OUTPUT: DATASET_evidence.png with a row for every clip (frame, Grad-CAM for the
answer, Grad-CAM for the truth), and evidence.csv with names and probabilities. Of a video, the
middle frame is drawn. Grad-CAM is explained in lgrseg/visualization/class_evidence.py.
"""

import argparse
import sys
from pathlib import Path

from lgrseg.config.targets import add_import_options, import_modules
from lgrseg.failures import message_of
from lgrseg.studies.evidence import explain, write_evidence


def main() -> int:
    """Run the command line."""
    arguments = parse_arguments()
    try:
        import_modules(arguments.imports)
        shown = explain(
            arguments.run,
            arguments.dataset,
            count=arguments.count,
            weights=arguments.weights,
            trusted=arguments.trust,
        )
        print(write_evidence(shown, arguments.output, arguments.dataset))
    except (KeyError, OSError, ValueError) as error:
        print(f"error: {message_of(error)}", file=sys.stderr)
        return 1
    return 0


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a classifier's run")
    parser.add_argument("--dataset", required=True, metavar="NAME")
    parser.add_argument("--count", type=int, default=8, help="number of clips (default 8)")
    parser.add_argument(
        "--weights", choices=("best", "last"), help="by default best, if there is one"
    )
    parser.add_argument("--output", type=Path, default=Path("output/evidence"))
    add_import_options(parser)
    arguments = parser.parse_args()
    if arguments.count < 1:
        parser.error("--count must be 1 or more")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
