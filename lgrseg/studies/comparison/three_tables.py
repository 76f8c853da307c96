"""Three tables of pretraining methods, in the form of VFM4US: a row per method, a column per data.

Segmentation is scored by Dice, classification by the share of right answers (top-1), generation by
the SSIM of a frame and its translation back. Several runs of one method and dataset are seeds.
"""

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lgrseg.reporting.seed_table import mean_and_spread
from lgrseg.reporting.tables import markdown_table
from lgrseg.studies.comparison.paired import paired_tests
from lgrseg.studies.comparison.summary import scores_of_patients
from lgrseg.studies.comparison.tables import paired_table

Results = dict
Found = dict[str, dict[str, dict[str, list[Results]]]]
"""Task -> dataset -> row -> results of its runs."""


@dataclass(frozen=True)
class Task:
    """One of the tables."""

    title: str
    score: Callable[[Results], float | None]
    """Score of one run, 0 to 1."""
    by_patient: Callable[[list[Results]], dict[str, float]] | None
    """Score of each patient, the mean over the runs; None if there are no patients."""


def right_answers(all_results: list[Results]) -> dict[str, float]:
    """Share of right answers of each patient, over all clips and runs."""
    answers: dict[str, list[bool]] = {}
    for results in all_results:
        for line in results["predictions"]:
            answers.setdefault(line["patient"], []).append(line["truth"] == line["predicted"])
    return {patient: float(np.mean(values)) for patient, values in answers.items()}


TASKS = {
    "segmentation": Task("Segmentation: Dice", lambda r: r["mean"]["dice"], scores_of_patients),
    "classification": Task(
        "Classification: top-1 accuracy", lambda r: r["mean"]["accuracy"], right_answers
    ),
    "generation": Task(
        "Generation: SSIM of a frame and its translation back", lambda r: r["ssim_back"], None
    ),
}


def read_runs(rows: Mapping[str, list[Path]]) -> Found:
    """Read the results of all runs.

    Args:
        rows: name of a row -> folders of its runs; or of folders of runs, such as NAME/seed_0.

    Raises:
        ValueError: a folder has no results of a test, or a run is in a row twice.
    """
    found: Found = {}
    for row, folders in rows.items():
        seen: set[Path] = set()
        for folder in folders:
            files = _files(folder)
            if seen & {file.resolve() for file in files}:
                raise ValueError(f"a run of {folder} is in the row {row} twice: name it once")
            seen |= {file.resolve() for file in files}
            if not files:
                raise ValueError(
                    f"{folder} has no results: neither it nor a folder in it has "
                    "eval/DATASET/results.json, or translation.json of tools/translate_dataset.py"
                )
            for file in files:
                results = json.loads(file.read_text(encoding="utf-8"))
                answers = file.with_name("predictions.csv")  # of a classifier
                if answers.is_file():
                    with answers.open(encoding="utf-8", newline="") as table:
                        results["predictions"] = list(csv.DictReader(table))
                datasets = found.setdefault(results.get("task", "segmentation"), {})
                datasets.setdefault(results["dataset"], {}).setdefault(row, []).append(results)
    return found


def _files(folder: Path) -> list[Path]:
    names = ("results.json", "translation.json")
    return [
        file
        for place in ("", "*/")
        for name in names
        for file in sorted(folder.glob(f"{place}eval/*/{name}"))
    ]


def three_tables(rows: Mapping[str, list[Path]]) -> str:
    """Make the tables as Markdown, each with the paired tests of every dataset.

    Args:
        rows: see `read_runs`.

    Raises:
        ValueError: a folder has no results of a test, or a run is in a row twice.
    """
    found, parts = read_runs(rows), []
    for name, task in TASKS.items():
        datasets = found.get(name, {})
        if not datasets:
            parts.append(f"## {task.title}\n\nNo run.")
            continue
        lines = [
            [row, *(_cell(task, datasets[dataset].get(row, [])) for dataset in datasets)]
            for row in rows
            if any(row in datasets[dataset] for dataset in datasets)
        ]
        parts += [f"## {task.title}", markdown_table(["", *datasets], lines)]
        for dataset, by_row in datasets.items():
            if task.by_patient and len(by_row) > 1:
                scores = {row: task.by_patient(results) for row, results in by_row.items()}
                pairs = paired_table(paired_tests(scores), score=task.title.split(": ")[1])
                parts += [f"### Paired tests over patients of {dataset}", pairs]
    note = "Cells are means over the runs of a row, ± standard deviation if there are several."
    return "\n\n".join([*parts, note]) + "\n"


def _cell(task: Task, results: list[Results]) -> str:
    cell = mean_and_spread([task.score(each) for each in results])
    return f"{cell} ({len(results)} runs)" if len(results) > 1 else cell
