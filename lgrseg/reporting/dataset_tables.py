"""Tables of runs, one for every dataset: as Markdown, as CSV, and for LaTeX."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lgrseg.reporting.tables import RunRow, markdown_table


def tables_by_dataset(rows: Sequence[RunRow]) -> dict[str, pd.DataFrame]:
    """Dataset -> table with a line for every run; a dash where a run lacks a column."""
    return {
        name: pd.DataFrame(
            [{"run": row.run, **row.cells} for row in rows if row.dataset == name]
        ).fillna("-")
        for name in sorted({row.dataset for row in rows})
    }


def write_tables(tables: dict[str, pd.DataFrame], output: Path) -> None:
    """Write OUTPUT.md, OUTPUT.csv and OUTPUT.tex.

    Args:
        tables: dataset -> table.
        output: path of the files without .md; its folder is made if it is missing.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    for suffix, form in ((".md", markdown), (".csv", comma_separated), (".tex", latex)):
        file = output.with_name(output.name + suffix)
        file.write_text(form(tables), encoding="utf-8")


def markdown(tables: dict[str, pd.DataFrame]) -> str:
    """Format a heading and a table for every dataset."""
    return "\n\n".join(
        f"**{name}**\n\n{markdown_table(list(table.columns), table.to_numpy().tolist())}"
        for name, table in tables.items()
    )


def comma_separated(tables: dict[str, pd.DataFrame]) -> str:
    """Format one line for each run and dataset, with a header before each dataset."""
    return "".join(
        table.assign(dataset=name)[["dataset", *table.columns]].to_csv(index=False)
        for name, table in tables.items()
    )


def latex(tables: dict[str, pd.DataFrame]) -> str:
    """Format a LaTeX table for every dataset, for the package booktabs."""
    return "\n".join(
        f"% {name}\n"
        + table.to_latex(
            index=False, escape=True, column_format="l" + "r" * (len(table.columns) - 1)
        )
        for name, table in tables.items()
    )
