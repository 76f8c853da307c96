"""Runs that differ only in their seed, as one row: mean and standard deviation over seeds.

The runs of one row are in one folder, as tools/ablation.py writes them: NAME/seed_0, NAME/seed_1,
...
"""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from lgrseg.engine.hooks import headline
from lgrseg.engine.writers import read_metrics
from lgrseg.reporting.run_names import distinct_names
from lgrseg.reporting.tables import RunRow


def rows_over_seeds(runs: list[Path]) -> list[RunRow]:
    """Make a row for every folder of runs and every dataset on which they were evaluated.

    A cell has the mean over seeds and, with two or more seeds, the standard deviation (n - 1). It
    is a dash if a value is missing. "gain" is the mean difference to the run of the same seed in
    the first folder, in Dice or in the headline measure of the results.

    Args:
        runs: folders of the runs.
    """
    found = _read(runs)
    first = next(iter(found), "")
    rows = []
    for name, datasets in found.items():
        for dataset, by_seed in datasets.items():
            gain = "-" if name == first else _gain(by_seed, found[first].get(dataset, {}))
            cells = {"seeds": str(len(by_seed))} | _scores(list(by_seed.values()))
            cells |= {"gain": gain} | _cost([results["folder"] for results in by_seed.values()])
            rows.append(RunRow(dataset, name, cells))
    return rows


def _read(runs: list[Path]) -> dict[str, dict[str, dict[str, dict]]]:
    """Name of the folder of runs -> dataset -> seed -> results, with the run's "folder"."""
    found: dict[str, dict[str, dict[str, dict]]] = {}
    parents = [run.resolve().parent for run in runs]
    names = dict(zip(parents, distinct_names(parents), strict=True))
    for run, parent in zip(runs, parents, strict=True):
        for file in sorted(run.glob("eval/*/results.json")):
            results = json.loads(file.read_text(encoding="utf-8")) | {"folder": run}
            by_dataset = found.setdefault(names[parent], {})
            by_dataset.setdefault(results["dataset"], {})[run.name] = results
    return found


def _scores(results: list[dict]) -> dict[str, str]:
    of_mean, of_class = headline(results[0])["mean"], headline(results[0])["class"]
    words = {name: name.replace("_", " ").replace("dice", "Dice") for name in (of_mean, of_class)}
    cells = {words[of_mean]: mean_and_spread([r["mean"][of_mean] for r in results])}
    for name in results[0]["classes"]:
        values = [r["classes"][name][of_class] for r in results]
        cells[f"{words[of_class]} {name.replace('_', ' ')}"] = mean_and_spread(values)
    if results[0].get("task") == "classification":
        return cells | {"AUC": mean_and_spread([r["mean"]["auc"] for r in results])}
    unit = results[0].get("distance_unit", "px")
    distances = [r["mean"].get("hd95") for r in results]
    missed = [r["mean"].get("missed") for r in results]
    return cells | {
        f"HD95 ({unit})": mean_and_spread(distances, digits=2),
        "missed": mean_and_spread(missed, digits=1),
    }


def _gain(by_seed: dict[str, dict], reference: dict[str, dict]) -> str:
    shared = [seed for seed in by_seed if seed in reference]
    measure = headline(next(iter(by_seed.values())))["mean"]
    pairs = [(by_seed[s]["mean"][measure], reference[s]["mean"][measure]) for s in shared]
    gains = [None if None in (score, other) else score - other for score, other in pairs]
    return mean_and_spread(gains, sign="+")


def _cost(folders: list[Path]) -> dict[str, str]:
    ends = [lines[-1] for folder in folders if (lines := read_metrics(folder))]
    return {
        "steps": "-" if not ends else str(ends[-1]["iteration"]),
        "minutes": mean_and_spread([line["train_seconds"] / 60 for line in ends], digits=1),
    }


def mean_and_spread(values: Sequence[float | None], *, digits: int = 4, sign: str = "") -> str:
    """Text of mean and standard deviation, as '0.7000 ± 0.0100'; a dash if a value is missing."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return "-"
    mean = f"{statistics.fmean(known):{sign}.{digits}f}"
    if len(known) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(known):.{digits}f}"
