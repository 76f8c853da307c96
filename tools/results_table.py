"""Write the results of several runs as a table for every dataset.

    python tools/results_table.py output/demo
    python tools/results_table.py output/* --dataset camus_4ch_val --output output/results
    python tools/results_table.py output/ablation/*/seed_* --over-seeds
    python tools/results_table.py --minutes 5 dataset=phantom_demo

The last form first trains the systems of this project: BASIC LGRNet, with hybrid temporal sampling
(hts), with self-distillation too (hts_lgsd), BOX-SAM2 and AR-SEG. Where every clip is a whole
video, there is no temporal sampling, and the row is lgsd. Each gets so many minutes of one core.
The runs are in output/systems_DATASET_5min; one that is complete is not trained again.

The tables are printed; --output NAME also writes NAME.md, NAME.csv and NAME.tex. All numbers are
read from files of the runs; a dash means that a value was not measured. A run is given by its
folder or by one of its results.json. --over-seeds combines all runs in a folder in one row: mean,
standard deviation, and the gain over the first folder.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from lgrseg.failures import message_of
from lgrseg.reporting.dataset_tables import markdown, tables_by_dataset, write_tables
from lgrseg.reporting.run_names import distinct_names, folder_of
from lgrseg.reporting.run_table import rows_of_run
from lgrseg.reporting.seed_table import rows_over_seeds


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="folders of runs, or results.json files; with --minutes, key=value",
    )
    parser.add_argument("--minutes", type=float, help="train each system for so many minutes")
    parser.add_argument("--dataset", help="name of a dataset; only this one is shown")
    parser.add_argument("--output", type=Path, help="path of the files without .md")
    parser.add_argument("--over-seeds", action="store_true", help="one row for each folder of runs")
    arguments = parser.parse_intermixed_args()
    if arguments.minutes is not None and arguments.minutes <= 0:
        parser.error("--minutes must be above 0")
    if arguments.minutes is None and not arguments.runs:
        parser.error("name folders of runs, or train the systems of this project with --minutes")
    failed: list[str] = []
    try:
        if arguments.minutes is not None:
            arguments.runs, failed = train(arguments.runs, arguments.minutes)
        folders = list(dict.fromkeys(folder_of(Path(run)) for run in arguments.runs))
    except (KeyError, ValueError) as error:
        print(f"error: {message_of(error)}", file=sys.stderr)
        return 1
    if arguments.over_seeds:
        rows = rows_over_seeds(folders)
    else:
        named = zip(folders, distinct_names(folders), strict=True)
        rows = [replace(row, run=name) for folder, name in named for row in rows_of_run(folder)]
    tables = tables_by_dataset(
        [row for row in rows if not arguments.dataset or row.dataset == arguments.dataset]
    )
    if not tables:
        wanted = f" on {arguments.dataset}" if arguments.dataset else ""
        print(f"error: none of these runs was evaluated{wanted}", file=sys.stderr)
        return 1
    print(markdown(tables))
    if arguments.output:
        write_tables(tables, arguments.output)
    for message in failed:
        print(f"failed: {message}", file=sys.stderr)
    return 1 if failed else 0


def train(settings: list[str], minutes: float) -> tuple[list[Path], list[str]]:
    """Train all systems for so many minutes; their folders, and what failed.

    A stop signal ends this process with the status 128 + signal, after the training has ended.

    Raises:
        ValueError: a word is no `key=value`, or there is no `dataset=NAME` among them.
    """
    from lgrseg.engine.logs import log_to_console
    from lgrseg.engine.stopping import StopRequested
    from lgrseg.studies.comparison.systems import train_systems

    chosen = [word for word in settings if word.startswith("dataset=")]
    wrong = [word for word in settings if "=" not in word]
    if wrong or len(chosen) != 1:
        raise ValueError(
            f"--minutes trains all systems on one dataset, not {' '.join(settings) or 'nothing'}: "
            "give dataset=NAME and other key=value only, such as dataset=phantom_demo"
        )
    log_to_console()
    name = chosen[0].partition("=")[2]
    output = Path(f"output/systems_{name}_{minutes:g}min")
    try:
        return train_systems(output, settings, minutes=minutes)
    except StopRequested as stop:
        print(f"{stop}; the same command trains the systems that are left", file=sys.stderr)
        sys.exit(128 + stop.number)


if __name__ == "__main__":
    sys.exit(main())
