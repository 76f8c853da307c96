"""Summarises the results of all runs: means, spreads, paired tests, agreement.

A patient's score is the mean over the seeds; tests and spreads over patients use these scores.
"""

import json
import statistics
from pathlib import Path

import numpy as np

from lgrseg.evaluation.clinical.heart_function import QUANTITIES
from lgrseg.evaluation.metrics.agreement import agreement
from lgrseg.evaluation.metrics.overlap import mean
from lgrseg.studies.comparison.paired import paired_tests
from lgrseg.studies.comparison.results import ComparedRow, Table
from lgrseg.studies.comparison.runs import read_record

RESULTS = "Results"
MACHINERY = "Machinery check: frozen weights are random, so nothing is ranked"


def summarise(runs: dict[str, list[Path]], dataset: str) -> list[Table]:
    """Make the tables of one dataset and label fraction.

    Args:
        runs: row -> folders of its finished runs, one per seed.
        dataset: key of `dataloader.test`.

    Returns:
        A table RESULTS of the rows with pretrained or trained weights, and a table MACHINERY of the
        rows with random frozen weights; tables without rows are left out. Pairs with one row of
        each table are in MACHINERY.
    """
    results = {row: _read(folders, dataset) for row, folders in runs.items() if folders}
    random = {
        row: results_of_row[0]["record"]["random_frozen"] for row, results_of_row in results.items()
    }
    scores = {row: scores_of_patients(results_of_row) for row, results_of_row in results.items()}
    tables = []
    for title, checked in ((RESULTS, False), (MACHINERY, True)):
        chosen = [row for row in results if random[row] == checked]
        if not chosen:
            continue
        compared = {row: scores[row] for row in results if checked or not random[row]}
        pairs = paired_tests(compared)
        if checked:
            pairs = [pair for pair in pairs if random[pair.one] or random[pair.other]]
        tables.append(
            Table(
                title=title,
                machinery_check=checked,
                rows=[_row(row, results[row], scores[row]) for row in chosen],
                paired=pairs,
                agreement=_agreement({row: results[row] for row in chosen}),
            )
        )
    return tables


def _read(folders: list[Path], dataset: str) -> list[dict]:
    """Read results.json of every run, and add the run's "record"."""
    all_results = []
    for folder in folders:
        file = folder / "eval" / dataset / "results.json"
        results = json.loads(file.read_text(encoding="utf-8"))
        all_results.append(results | {"record": read_record(folder)})
    return all_results


def scores_of_patients(all_results: list[dict]) -> dict[str, float]:
    """Dice of every patient: mean over the classes, then over the seeds."""
    by_patient: dict[str, list[float]] = {}
    for results in all_results:
        for patient, classes in results["patients"].items():
            score = float(mean(np.array(list(classes.values()), float)))
            by_patient.setdefault(patient, []).append(score)
    return {patient: float(mean(np.array(values))) for patient, values in by_patient.items()}


def _row(name: str, all_results: list[dict], patients: dict[str, float]) -> ComparedRow:
    records = [results["record"] for results in all_results]
    costs = [record["costs"] for record in records]
    finite = [score for score in patients.values() if np.isfinite(score)]
    by_seed = [results["mean"]["dice"] for results in all_results]
    return ComparedRow(
        row=name,
        weights=records[0]["weights"] or _config(records[0]) or "random",
        blocks=records[0].get("blocks"),
        seeds=[record["seed"] for record in records],
        num_patients=len(patients),
        num_scored=len(finite),
        dice=_mean(by_seed),
        dice_sd_patients=statistics.stdev(finite) if len(finite) > 1 else None,
        dice_sd_seeds=_spread(by_seed),
        dice_by_seed=by_seed,
        hd95=_mean([results["mean"]["hd95"] for results in all_results]),
        hd95_sd_seeds=_spread([results["mean"]["hd95"] for results in all_results]),
        missed=_mean([results["mean"].get("missed") for results in all_results]),
        distance_unit=all_results[0]["distance_unit"],
        parameters=costs[0]["parameters"],
        trained=costs[0]["trained"],
        gflops=costs[0]["gflops"],
        images_per_second=statistics.median(cost["images_per_second"] for cost in costs),
        memory_mib=max(cost["memory_mib"] for cost in costs),
        steps=records[0]["steps"],
        train_seconds=statistics.fmean(record["train_seconds"] for record in records),
        whole_config=records[0]["config"] is not None,
        cached=records[0]["cached"],
        copies=records[0]["copies"],
        precision=records[0]["precision"],
        encoder_sha256=records[0]["encoder_sha256"],
        patients=patients,
    )


def _config(record: dict) -> str:
    """A whole config and its overrides, as in the command."""
    return ",".join([record["config"], *record.get("overrides", [])]) if record["config"] else ""


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if len(known) == len(values) else None


def _spread(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.stdev(known) if len(known) == len(values) > 1 else None


def _agreement(results: dict[str, list[dict]]) -> list[dict] | None:
    """Agreement of every row with the truth, and of every pair; None without volumes.

    "missing" of a pair counts the videos that only one of both rows could measure.
    """
    measured = {
        row: volumes for row, of_seeds in results.items() if (volumes := _volumes(of_seeds))
    }
    lines = []
    for quantity, unit in QUANTITIES.items():
        rows = list(measured)
        pairs = [(row, "truth") for row in rows]
        pairs += [(a, b) for number, a in enumerate(rows) for b in rows[number + 1 :]]
        for one, other in pairs:
            cases = measured[one]
            if other != "truth":
                cases = {v: case for v, case in cases.items() if v in measured[other]}
            left = np.array([case["prediction"][quantity] for case in cases.values()])
            right = np.array(
                [
                    case["truth"][quantity]
                    if other == "truth"
                    else measured[other][video]["prediction"][quantity]
                    for video, case in cases.items()
                ]
            )
            if np.isfinite(right).any():
                patients = [case["patient"] for case in cases.values()]
                description = {"quantity": quantity, "unit": unit, "one": one, "other": other}
                found = agreement(left, right, patients)
                if other != "truth":
                    found["missing"] = int((np.isfinite(left) ^ np.isfinite(right)).sum())
                lines.append(description | found)
    return lines or None


def _volumes(all_results: list[dict]) -> dict[str, dict]:
    """Quantities of every video; predicted ones are means over the seeds."""
    cases: dict[str, list[dict]] = {}
    for results in all_results:
        for case in (results.get("heart") or {"cases": []})["cases"]:
            cases.setdefault(case["video_id"], []).append(case)
    return {
        video: {
            "patient": of_seeds[0]["patient"],
            "truth": {q: _number(of_seeds[0]["truth"][q]) for q in QUANTITIES},
            "prediction": {
                q: float(np.mean([_number(case["prediction"][q]) for case in of_seeds]))
                for q in QUANTITIES
            },
        }
        for video, of_seeds in cases.items()
    }


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
