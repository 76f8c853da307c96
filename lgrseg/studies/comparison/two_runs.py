"""Paired tests of two finished runs on the same patients.

The scores are read from eval/<dataset>/results.json of both runs. The training or
`tools/train_net.py --eval-only` writes this file.

Letters: P patients.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from lgrseg.studies.comparison.paired import Pair, holm, paired_tests, signed_rank_sum

Scores = dict[str, float]
"""Patient -> score; NaN without a score."""


@dataclass(frozen=True)
class PairedRow:
    """One quantity of both runs, over the patients for whom both have a score."""

    quantity: str
    higher_is_better: bool
    patients: int
    one: float
    """Mean over these patients of the first run."""
    other: float
    """Mean over these patients of the second run."""
    difference: float
    """Mean of first - second."""
    interval: list[float] | None
    """95% percentile interval of the difference, by a bootstrap over patients; None for fewer than
    MIN_PATIENTS."""
    p: float
    """Two-sided p of Wilcoxon's signed-rank test."""
    p_holm: float
    """The same, corrected for the number of quantities in the table."""
    better: str
    """The significantly better run, "first" or "second"; empty if p_holm is 0.05 or more, or if
    one run has the better ranks and the other one the better mean."""

    def as_dict(self) -> dict:
        """Return a dict for JSON."""
        return asdict(self)


def compare_runs(
    one: Path, other: Path, dataset: str | None = None, *, seed: int = 0
) -> dict[str, list[PairedRow]]:
    """Compare two runs on every dataset on which both were evaluated.

    Args:
        one: folder of the first run.
        other: folder of the second run.
        dataset: name of a dataset, to compare on this one only; None for all.
        seed: seed of the bootstrap.

    Returns:
        Dataset -> rows: Dice of every class, mean Dice, and the absolute error of the ejection
        fraction if both runs have it.

    Raises:
        FileNotFoundError: a run was not evaluated.
        ValueError: no dataset is in both runs, or they differ in patients, frames, classes or
            ground truth.
    """
    of_one, of_other = _results_of(one), _results_of(other)
    shared = [name for name in of_one if name in of_other and dataset in (None, name)]
    if not shared:
        on_dataset = f" on {dataset}" if dataset else ""
        raise ValueError(
            f"the two runs were not both evaluated{on_dataset}: {one} on {', '.join(of_one)}; "
            f"{other} on {', '.join(of_other)}. tools/train_net.py --eval-only evaluates a run"
        )
    return {name: _rows(name, of_one[name], of_other[name], seed) for name in shared}


def _results_of(run: Path) -> dict[str, dict]:
    """Dataset -> content of results.json, of all segmentation datasets of a run."""
    files = sorted(run.glob("eval/*/results.json"))
    results = {file.parent.name: json.loads(file.read_text(encoding="utf-8")) for file in files}
    results = {name: found for name, found in results.items() if "patients" in found}
    if not results:
        raise FileNotFoundError(
            f"{run} holds no eval/<dataset>/results.json of a segmentation: evaluate the run first "
            "(tools/train_net.py --config-file RUN/config.yaml --eval-only)"
        )
    return results


def _rows(dataset: str, one: dict, other: dict, seed: int) -> list[PairedRow]:
    _check_same_data(dataset, one, other)
    quantities = {
        f"Dice {name}": (_dice(one, [name]), _dice(other, [name]), True) for name in one["classes"]
    }
    if len(one["classes"]) > 1:
        every = list(one["classes"])
        quantities["Dice mean"] = (_dice(one, every), _dice(other, every), True)
    errors = _ef_errors(one), _ef_errors(other)
    if all(errors):
        quantities["EF error (%)"] = (*errors, False)
    tests = [
        paired_tests({"one": scores, "other": others}, seed=seed)[0]
        for scores, others, _ in quantities.values()
    ]
    corrected = holm([test.p for test in tests])
    return [
        _row(name, scores, others, higher, test, p)
        for (name, (scores, others, higher)), test, p in zip(
            quantities.items(), tests, corrected, strict=True
        )
    ]


def _row(
    name: str, one: Scores, other: Scores, higher: bool, test: Pair, p_holm: float
) -> PairedRow:
    both = np.array([(one[p], other[p]) for p in one if p in other], float).reshape(-1, 2)
    both = both[np.isfinite(both).all(axis=1)]
    means = both.mean(axis=0).tolist() if len(both) else [float("nan")] * 2
    return PairedRow(
        quantity=name,
        higher_is_better=higher,
        patients=test.num,
        one=means[0],
        other=means[1],
        difference=test.difference,
        interval=test.difference_ci95,
        p=test.p,
        p_holm=p_holm,
        better=_better(both[:, 0] - both[:, 1], higher) if p_holm < 0.05 else "",
    )


def _better(differences: np.ndarray, higher_is_better: bool) -> str:
    """The run with the better ranks and the better mean; empty if these are different runs."""
    direction = np.sign(signed_rank_sum(differences))
    if direction != np.sign(differences.mean()):
        return ""
    return "first" if (direction > 0) == higher_is_better else "second"


def _check_same_data(dataset: str, one: dict, other: dict) -> None:
    """Raise ValueError if the results differ in patients, frames, classes or ground truth."""
    missing = [name for name in one["patients"] if name not in other["patients"]]
    added = [name for name in other["patients"] if name not in one["patients"]]
    if missing or added:
        raise ValueError(
            f"{dataset}: the runs were evaluated on different patients: "
            + "; ".join(
                f"only the {which} has {_some(names)}"
                for which, names in (("first", missing), ("second", added))
                if names
            )
            + ". Evaluate both again on the dataset as it is now"
        )
    if list(one["classes"]) != list(other["classes"]):
        raise ValueError(
            f"{dataset}: the runs have different classes: {', '.join(one['classes'])} and "
            f"{', '.join(other['classes'])}"
        )
    if set(one["videos"]) != set(other["videos"]) or one["num_frames"] != other["num_frames"]:
        raise ValueError(
            f"{dataset}: the runs were evaluated on different clips: {len(one['videos'])} videos "
            f"with {one['num_frames']} annotated frames, and {len(other['videos'])} with "
            f"{other['num_frames']}. Evaluate both again on the dataset as it is now"
        )
    truths = _true_fractions(one), _true_fractions(other)
    for video in truths[0].keys() & truths[1].keys():
        first, second = np.array([truths[0][video], truths[1][video]], float)
        if not np.allclose(first, second, atol=1e-6, equal_nan=True):
            raise ValueError(
                f"{dataset}: the true ejection fraction of {video} is {first:.2f} in the first "
                f"run and {second:.2f} in the second, so its masks were not the same. Evaluate "
                "both again on the dataset as it is now"
            )


def _some(names: list[str], *, shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _dice(results: dict, classes: list[str]) -> Scores:
    """Mean Dice over the classes of every patient; classes without a score are left out."""
    scores = {}
    for patient, by_class in results["patients"].items():
        values = np.array([by_class[name] for name in classes], float)  # None becomes NaN
        known = values[np.isfinite(values)]
        scores[patient] = float(known.mean()) if len(known) else float("nan")
    return scores


def _cases(results: dict) -> list[dict]:
    return (results.get("heart") or {}).get("cases", [])


def _true_fractions(results: dict) -> dict[str, float | None]:
    return {case["video_id"]: case["truth"]["ejection_fraction"] for case in _cases(results)}


def _ef_errors(results: dict) -> Scores:
    """Mean absolute error of the ejection fraction of every patient, in percentage points."""
    errors: dict[str, list[float]] = {}
    for case in _cases(results):
        pair = [case[source]["ejection_fraction"] for source in ("prediction", "truth")]
        measured, truth = np.array(pair, float)
        errors.setdefault(case["patient"], []).append(abs(measured - truth))
    return {patient: float(np.mean(values)) for patient, values in errors.items()}
