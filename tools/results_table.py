"""The results of several runs as one table a dataset, on the console and as files.

    python tools/results_table.py output/demo
    python tools/results_table.py output/* --dataset camus_4ch_val --output output/results
    python tools/results_table.py output/ablation/*/seed_* --over-seeds

--output writes NAME.md, NAME.csv and NAME.tex. Every number is read from what the runs wrote; what
was not measured is a dash. Runs may also be named by one of their results.json. --over-seeds makes
one row of the runs in a folder: mean and standard deviation, and the gain over the first folder.
"""

import argparse
import csv
import io
import sys
from pathlib import Path

from lgrseg.reporting.run_names import distinct_names, folder_of
from lgrseg.reporting.run_table import rows_of_run
from lgrseg.reporting.seed_table import rows_over_seeds


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs, or results.json files")
    parser.add_argument("--dataset", help="this one only")
    parser.add_argument("--output", type=Path, help="where to write, without .md")
    parser.add_argument("--over-seeds", action="store_true", help="one row a folder of runs")
    arguments = parser.parse_args()
    try:
        folders = list(dict.fromkeys(map(folder_of, arguments.runs)))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if arguments.over_seeds:
        rows = rows_over_seeds(folders)
    else:
        named = zip(folders, distinct_names(folders), strict=True)
        rows = [row | {"run": name} for folder, name in named for row in rows_of_run(folder)]
    datasets = sorted({row["dataset"] for row in rows})
    if arguments.dataset:
        datasets = [name for name in datasets if name == arguments.dataset]
    if not datasets:
        wanted = f" on {arguments.dataset}" if arguments.dataset else ""
        print(f"error: none of these runs was evaluated{wanted}", file=sys.stderr)
        return 1
    tables = {name: _cells([row for row in rows if row["dataset"] == name]) for name in datasets}
    written = {".md": markdown, ".csv": comma_separated, ".tex": latex}
    print(markdown(tables))
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        for suffix, form in written.items():
            file = arguments.output.with_name(arguments.output.name + suffix)
            file.write_text(form(tables), encoding="utf-8")
    return 0


def _cells(rows: list[dict]) -> list[list[str]]:
    head = list(dict.fromkeys(key for row in rows for key in row if key != "dataset"))
    return [head, *([row.get(key, "-") for key in head] for row in rows)]


def markdown(tables: dict[str, list[list[str]]]) -> str:
    """A heading and a table for every dataset."""
    parts = []
    for name, (head, *rows) in tables.items():
        lines = [head, ["---"] * len(head), *rows]
        text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts.append(f"**{name}**\n\n{text}")
    return "\n\n".join(parts)


def comma_separated(tables: dict[str, list[list[str]]]) -> str:
    """One line a run and dataset; each dataset's head goes before its lines."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for name, (head, *rows) in tables.items():
        writer.writerow(["dataset", *head])
        writer.writerows([name, *row] for row in rows)
    return text.getvalue()


def latex(tables: dict[str, list[list[str]]]) -> str:
    """A tabular a dataset, with the rules of booktabs."""
    parts = []
    for name, (head, *rows) in tables.items():
        lines = [f"% {name}", rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}", r"\toprule"]
        lines += [_latex_row(head), r"\midrule", *map(_latex_row, rows)]
        parts.append("\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""]))
    return "\n".join(parts)


_LATEX = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}"})


def _latex_row(cells: list[str]) -> str:
    return " & ".join(cell.translate(_LATEX) for cell in cells) + r" \\"


if __name__ == "__main__":
    sys.exit(main())
