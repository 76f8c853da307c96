"""Results as tables: on the console, and as Markdown."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lgrseg.evaluation.metrics import overlap

MISSED_NOTE = (
    "Distances leave out the frames that are “missed”: one of both masks lacks the structure."
)


@dataclass(frozen=True)
class RunRow:
    """A row of tools/results_table.py: one run, or its seeds together, on one dataset."""

    dataset: str
    run: str
    """Name of the run, or of the folder of runs that differ in their seed alone."""
    cells: dict[str, str]
    """Column -> text; the dataset's classes are in the columns. A dash: not measured."""


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, with columns padded to one width.

    Args:
        head: names of the columns.
        rows: text of the cells, one sequence per row.
    """
    import pandas as pd

    table = pd.DataFrame(rows, columns=list(head))
    return table.to_markdown(index=False, disable_numparse=True)


def print_results(results: dict) -> None:
    """Print the results of a segmentation as tables."""
    from rich.console import Console
    from rich.table import Table

    unit = results["distance_unit"]
    table = Table(
        "",
        "Dice [95% interval]",
        "IoU",
        f"HD95 {unit}",
        "missed",
        f"ASSD {unit}",
        title=f"{results['dataset']}: {results['protocol']}",
    )
    for name, scores in results["classes"].items():
        dice = with_interval(scores["dice"], scores["dice_ci95"], num_scored(results, name))
        table.add_row(name.replace("_", " "), dice, *_rest(scores))
    table.add_section()
    mean = results["mean"]
    dice = with_interval(mean["dice"], results["dice_ci95"], num_scored(results))
    table.add_row("mean over patients", dice, *_rest(mean))
    for key, words in (("mean_by_rule", "patients"), ("mean_over_clips", "clips")):
        table.add_section()
        for rule in overlap.RULES:
            if (key, rule) != ("mean_by_rule", "skip"):  # that is the mean above
                name = f"mean over {words}, absent class: {rule}"
                table.add_row(name, show(results[key][rule]))
    if len(results["sites"]) > 1:
        table.add_section()
        for site, scores in results["sites"].items():
            table.add_row(f"{site}, {scores['num_patients']} patients", show(scores["dice"]))
    console = Console(markup=False)  # brackets are text
    console.print(table)
    if "boxes" in results:
        head, rows = box_rows(results["boxes"])
        boxes = Table(*head, title="Boxes")
        for row in rows:
            boxes.add_row(*row)
        console.print(boxes)
    if results["heart"]:
        console.print(_heart_table(results["heart"]["agreement"]))
    console.print(
        f"{results['num_frames']} frames of {results['num_clips']} clips, "
        f"{results['num_patients']} patients, {results['seconds_per_clip']:.3f} s per clip"
    )
    if mean["missed"]:
        console.print(MISSED_NOTE)


def _rest(scores: dict) -> list[str]:
    missed = str(scores["missed"])
    return [show(scores["iou"]), show(scores["hd95"], 2), missed, show(scores["assd"], 2)]


def box_rows(boxes: dict) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table of boxes; the last row is the mean over the classes."""
    names = ("iou", "recall_50", "recall_75", "ap", "ap_50")
    rows = [
        [name.replace("_", " "), *(show(scores[key]) for key in names)]
        for name, scores in [*boxes["classes"].items(), ("mean", boxes["mean"])]
    ]
    return ["boxes", "IoU", "recall at 0.5", "at 0.75", "AP", "AP at 0.5"], rows


def _heart_table(compared: dict):
    from rich.table import Table

    table = Table(
        "",
        "n",
        "missing",
        "bias",
        "limits of agreement",
        "mean error",
        "correlation",
        title="Heart",
    )
    for name, found in compared.items():
        low, high = found["limits"]
        table.add_row(
            f"{name.replace('_', ' ')}, {found['unit']}",
            str(found["num"]),
            str(found["missing"]),
            show(found["bias"], 1),
            f"{show(low, 1)} to {show(high, 1)}",
            show(found["mae"], 1),
            show(found["correlation"], 3),
        )
    return table


def show(score: float | None, digits: int = 4) -> str:
    """A score without the sign of a zero, or a dash for None and NaN."""
    return "-" if score is None or math.isnan(score) else f"{score:z.{digits}f}"


def num_scored(results: dict, structure: str | None = None) -> int:
    """Number of patients with a score of this structure; None stands for any structure."""
    return sum(
        any(score is not None for name, score in scores.items() if structure in (None, name))
        for scores in results["patients"].values()
    )


def with_interval(
    score: float | None, interval: Sequence[float | None] | None, num_patients: int, digits: int = 4
) -> str:
    """Text of a score and its interval; without an interval, the number of patients instead.

    An unknown score is a dash, whatever the number of patients.
    """
    if show(score) == "-":
        return "-"
    if interval is None:
        return f"{show(score, digits)} [not given: {num_patients} patients]"
    low, high = (show(end, digits) for end in interval)
    return f"{show(score, digits)} [{low}, {high}]"
