"""Compare two finished runs on the same patients with a paired test.

    python tools/compare_runs.py output/one output/other
    python tools/compare_runs.py output/one output/other --dataset camus_4ch_val --output pair.json

There is a table for every dataset on which both runs were evaluated. Its rows are Dice of every
class, mean Dice, and the error of the ejection fraction. Every row has the mean difference
(first - second) with its 95% bootstrap interval over patients, and the p value of Wilcoxon's
signed-rank test, without and with correction for the number of rows (Holm). Runs with different
datasets, patients, frames or classes cannot be compared.
"""

import argparse
import json
import sys
from pathlib import Path

import rich.box
from rich.console import Console
from rich.table import Table

from lgrseg.evaluation.results import plain
from lgrseg.studies.comparison.two_runs import PairedRow, compare_runs


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", type=Path, help="folder of a run")
    parser.add_argument("second", type=Path, help="folder of another run")
    parser.add_argument("--dataset", help="compare on this dataset only")
    parser.add_argument("--output", type=Path, help="JSON file for the rows of the table")
    arguments = parser.parse_args()
    try:
        compared = compare_runs(arguments.first, arguments.second, arguments.dataset)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for dataset, rows in compared.items():
        show(dataset, rows, arguments)
    if arguments.output:
        content = {
            "first": str(arguments.first),
            "second": str(arguments.second),
            "datasets": {name: [row.as_dict() for row in rows] for name, rows in compared.items()},
        }
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(plain(content), indent=1), encoding="utf-8")
    return 0


def show(dataset: str, rows: list[PairedRow], arguments: argparse.Namespace) -> None:
    """Print the table of one dataset."""
    print(f"{dataset}: first {arguments.first}, second {arguments.second}")
    table = Table(box=rich.box.SIMPLE)
    heads = ("patients", "first", "second", "difference", "95% interval", "p", "p (Holm)")
    table.add_column("", no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("better")
    for row in rows:
        digits = 4 if row.higher_is_better else 2
        interval = "too few patients"
        if row.interval is not None:
            interval = "{:+.{d}f} to {:+.{d}f}".format(*row.interval, d=digits)
        table.add_row(
            row.quantity,
            str(row.patients),
            f"{row.one:.{digits}f}",
            f"{row.other:.{digits}f}",
            f"{row.difference:+.{digits}f}",
            interval,
            f"{row.p:.3g}",
            f"{row.p_holm:.3g}",
            row.better,
        )
    # Numbers are never cut, and brackets in names of classes are text.
    Console(width=max(Console().width, 120), markup=False).print(table)


if __name__ == "__main__":
    sys.exit(main())
