r"""Train one run for each fold of a dataset, and pool the scores of all patients.

    python tools/cross_validate.py --config-file configs/lgrnet/base.py dataset=mine --folds 5
    python tools/cross_validate.py --config-file configs/lgrnet/base.py dataset=camus
    python tools/cross_validate.py --config-file configs/baselines/unet.py dataset=camus --only 1

With --folds, the patients of training and validation are divided (lgrseg/data/folds.py). Without
it, the folds are those of the dataset: of CAMUS, the ten published ones; of your own clips, those
that tools/prepare_dataset.py made with --folds.

Each fold is trained as with tools/train_net.py, into OUTPUT/fold0, ..., with the log
OUTPUT/fold0.log. A finished fold is not trained again, and a stopped one continues. If a run in
OUTPUT has other settings, nothing is trained.
OUTPUT/cross_validation.{json,md} have the pooled scores: each patient is scored once, by the run
that was not trained on the patient. `key=value` changes a setting for all folds.

--choose-postprocessing then tries, on the same patients, to keep only the largest part of every
structure and to fill holes. The choice is written to cross_validation.json, which `python
tools/predict.py --ensemble OUTPUT/fold* --postprocessing OUTPUT/cross_validation.json` uses.
A later command without --choose-postprocessing keeps the choice while the scores are the same.
"""

import argparse
import json
import sys
from pathlib import Path

from lgrseg.checkpoint.whole_files import appears_whole
from lgrseg.config import load_config
from lgrseg.engine.hooks import is_evaluated
from lgrseg.engine.run_folder import check_settings_are_those_of
from lgrseg.engine.stopping import StopRequested
from lgrseg.engine.test_sets import with_test_sets
from lgrseg.engine.writers import read_metrics
from lgrseg.failures import message_of
from lgrseg.inference.postprocessing import ENTRY
from lgrseg.studies.comparison.child import run_child
from lgrseg.studies.comparison.cross_validation import (
    FoldOfDataset,
    check_run_is_of_fold,
    folds_of,
    pooled,
    table_of,
)
from lgrseg.studies.comparison.postprocessing import choose_postprocessing, keep_choice

TOOLS = Path(__file__).parent


def main() -> int:
    """Run the command line; the exit status is 1 if a fold failed, 128 + signal if stopped."""
    arguments = parse_arguments()
    try:
        cfg = load_config(arguments.config_file, arguments.overrides)
        trained_on = cfg.dataloader.train.dataset
        folds = folds_of(trained_on, arguments.folds)
        if unknown := set(arguments.only) - {fold.number for fold in folds}:
            numbers = ", ".join(str(fold.number) for fold in folds)
            raise ValueError(f"--only {min(unknown)}: the folds are {numbers}")
        output = arguments.output or Path("output") / f"{trained_on.removesuffix('_train')}_folds"
        settings = {
            fold: [*arguments.overrides, *fold.changes(cfg), f"train.output_dir={fold.run(output)}"]
            for fold in folds
        }
        for fold in folds:
            if (fold.run(output) / "config.yaml").is_file():
                of_fold = load_config(arguments.config_file, settings[fold])
                check_settings_are_those_of(
                    fold.run(output), with_test_sets(of_fold, [*fold.tests])
                )
        chosen = [fold for fold in folds if not arguments.only or fold.number in arguments.only]
        failed = [
            fold.run(output)
            for fold in chosen
            if train_fold(fold, output, arguments.config_file, settings[fold])
        ]
        for run in failed:
            print(f"failed: {run}, see {run}.log", file=sys.stderr)
        pool(folds, output, choose=arguments.choose_postprocessing)
    except StopRequested as stop:
        print(f"{stop}; the same command continues", file=sys.stderr)
        return 128 + stop.number
    except (KeyError, OSError, ValueError) as error:
        print(f"error: {message_of(error)}", file=sys.stderr)
        return 1
    return 1 if failed else 0


def pool(folds: list[FoldOfDataset], output: Path, *, choose: bool) -> None:
    """Write and print the scores of the finished folds, and the choice of post-processing.

    Raises:
        ValueError: a run belongs to other patients than its fold, see `check_run_is_of_fold`; or
            cross_validation.json is damaged.
    """
    file = output / "cross_validation.json"
    finished = [fold for fold in folds if fold.results(output).is_file()]
    if missing := [str(fold.number) for fold in folds if fold not in finished]:
        print(f"not trained yet: fold {', '.join(missing)}", file=sys.stderr)
        if choose:
            print("post-processing is chosen when all folds are trained", file=sys.stderr)
    if not finished:
        return
    for fold in finished:
        check_run_is_of_fold(fold, output)
    found = pooled([fold.results(output) for fold in finished], [fold.number for fold in finished])
    if choose and not missing:
        found[ENTRY] = choose_postprocessing([(fold.run(output), fold.tests[-1]) for fold in folds])
    elif said := keep_choice(found, file):
        print(said, file=sys.stderr)
    with appears_whole(file) as half_done:
        half_done.write_text(json.dumps(found, indent=1), encoding="utf-8")
    (output / "cross_validation.md").write_text(table_of(found), encoding="utf-8")
    print(table_of(found))


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--config-file", required=True, help="a config such as configs/lgrnet/base.py"
    )
    parser.add_argument("--folds", type=int, metavar="K", help="divide the patients into K folds")
    parser.add_argument(
        "--only", type=int, nargs="+", default=[], metavar="N", help="train only these folds now"
    )
    parser.add_argument(
        "--output", type=Path, help="folder of the runs (default output/NAME_folds)"
    )
    parser.add_argument(
        "--choose-postprocessing",
        action="store_true",
        help="choose the post-processing by the patients of each fold that was left out",
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    arguments, more = parser.parse_known_intermixed_args()
    if more:
        parser.error(f"unknown: {' '.join(more)}")
    return arguments


def train_fold(fold: FoldOfDataset, output: Path, config_file: str, settings: list[str]) -> int:
    """Train a fold, unless it is finished, and return the exit status."""
    run = fold.run(output)
    steps = load_config(config_file, settings).train.max_iter
    is_finished = any(
        line["iteration"] == steps and is_evaluated(line, fold.tests[-1])
        for line in read_metrics(run)
    )
    if is_finished and fold.results(output).is_file():
        return 0
    print(f"training {run}", file=sys.stderr, flush=True)
    run.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(TOOLS / "train_net.py"), "--config-file", config_file]
    command += ["--resume", *settings, "--datasets", *fold.tests]
    with open(f"{run}.log", "a", encoding="utf-8") as log:
        return run_child(command, log)


if __name__ == "__main__":
    sys.exit(main())
