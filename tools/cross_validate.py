r"""Train every fold of your own dataset, and combine the scores of all patients.

    python tools/prepare_dataset.py folder --raw my_clips --out datasets/mine \
        --classes classes.yaml --folds 5
    python tools/cross_validate.py --config-file configs/lgrnet/base.py dataset=mine

Fold 0 is trained like tools/train_net.py with dataset=mine_fold0. Its run is in OUTPUT/fold0, and
its log is OUTPUT/fold0.log. Finished folds are not trained again, and stopped folds are resumed.
OUTPUT/cross_validation.{json,md} have the scores of all patients. Every patient is scored once, by
the run that was not trained on this patient. `key=value` changes every fold.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from lgrseg.config import load_config
from lgrseg.data.catalog import data_root
from lgrseg.data.own_store import num_folds_of
from lgrseg.engine.hooks import is_evaluated
from lgrseg.engine.writers import read_metrics
from lgrseg.studies.comparison.cross_validation import pooled, table_of

TOOLS = Path(__file__).parent


def main() -> int:
    """Run the command line; the exit status is 1 if a fold failed."""
    arguments = parse_arguments()
    try:
        name = load_config(arguments.config_file, arguments.overrides).get("dataset")
        if not name:
            raise ValueError(
                f"{arguments.config_file} has no setting `dataset`, which is needed for "
                "dataset=NAME_fold0 and so on; configs/lgrnet/base.py has it"
            )
        num_folds = num_folds_of(data_root() / name)
    except (FileNotFoundError, KeyError, ValueError) as error:
        print(f"error: {error.args[0] if error.args else error}", file=sys.stderr)
        return 1
    output = arguments.output or Path("output") / f"{name}_folds"
    failed = [k for k in range(num_folds) if train_fold(k, name, output, arguments)]
    for fold in failed:
        print(f"failed: {output}/fold{fold}, see {output}/fold{fold}.log", file=sys.stderr)
    if failed:
        return 1
    found = pooled([results_of(k, name, output) for k in range(num_folds)])
    text = json.dumps(found, indent=1)
    (output / "cross_validation.json").write_text(text, encoding="utf-8")
    (output / "cross_validation.md").write_text(table_of(found), encoding="utf-8")
    print(table_of(found))
    return 0


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--config-file", required=True, help="a config such as configs/lgrnet/base.py"
    )
    parser.add_argument(
        "--output", type=Path, help="folder of the runs (default output/NAME_folds)"
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    return parser.parse_intermixed_args()


def results_of(fold: int, name: str, output: Path) -> Path:
    """Path of a fold's results on its validation patients."""
    return output / f"fold{fold}" / "eval" / f"{name}_fold{fold}_val" / "results.json"


def train_fold(fold: int, name: str, output: Path, arguments: argparse.Namespace) -> int:
    """Train a fold, unless it is finished, and return the exit status."""
    run = output / f"fold{fold}"
    overrides = [word for word in arguments.overrides if not word.startswith("dataset=")]
    overrides += [f"dataset={name}_fold{fold}", f"train.output_dir={run}"]
    steps = load_config(arguments.config_file, overrides).train.max_iter
    is_finished = any(
        line["iteration"] == steps and is_evaluated(line, f"{name}_fold{fold}_val")
        for line in read_metrics(run)
    )
    if is_finished and results_of(fold, name, output).is_file():
        return 0
    print(f"training {run}", file=sys.stderr, flush=True)
    run.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(TOOLS / "train_net.py"), "--config-file", arguments.config_file]
    with open(f"{run}.log", "a", encoding="utf-8") as log:
        done = subprocess.run(
            [*command, "--resume", *overrides], stdout=log, stderr=log, check=False
        )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
