"""Pools the runs of a cross-validation.

Every patient counts once, with the scores of the run that was not trained on his videos.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from lgrseg.data.catalog import DatasetCatalog, data_root
from lgrseg.data.described import unlabelled_parts
from lgrseg.data.own_store import FACTS, num_folds_of
from lgrseg.evaluation.metrics import overlap
from lgrseg.evaluation.metrics.agreement import agreement
from lgrseg.evaluation.results import plain
from lgrseg.inference.postprocessing import ENTRY
from lgrseg.reporting.tables import markdown_table
from lgrseg.studies.comparison.postprocessing import describe_choice


@dataclass(frozen=True)
class FoldOfDataset:
    """The names of a fold's datasets in the catalog."""

    number: int
    train: str
    """Dataset to train on."""
    tests: tuple[str, ...]
    """Datasets to evaluate on: the first one chooses the best checkpoint, the last one counts."""

    def run(self, output: Path) -> Path:
        """The folder of the fold's run."""
        return output / f"fold{self.number}"

    def results(self, output: Path) -> Path:
        """The results on the patients that the fold's run was not trained on."""
        return self.run(output) / "eval" / self.tests[-1] / "results.json"

    def changes(self, cfg: DictConfig) -> list[str]:
        """Settings key=value that turn a run on the whole dataset into that of this fold.

        Args:
            cfg: config of a run on the whole dataset. If it uses the dataset's videos without
                labels, those of the patients who are left out are left out, too.
        """
        changed = [f"dataloader.train.dataset={self.train}"]
        unlabelled = cfg.dataloader.train.get("unlabelled") or {}
        whole = set(unlabelled_parts(cfg.dataloader.train.dataset))
        if whole & set(used := unlabelled.get("datasets") or []):
            used = [name for name in used if name not in whole] + unlabelled_parts(self.train)
            changed.append(f"dataloader.train.unlabelled.datasets=[{', '.join(used)}]")
        return changed


def folds_of(dataset: str, num_folds: int | None = None) -> list[FoldOfDataset]:
    """The folds of a dataset.

    Args:
        dataset: name of the training set, NAME_train.
        num_folds: number of folds to divide the patients of NAME_train and NAME_val into; None for
            the folds that the dataset has: registered as NAME_fold1_train and so on, or made when
            it was prepared.

    Raises:
        ValueError: the dataset has no folds, or is not called NAME_train.
        FileNotFoundError: the dataset is not prepared.
    """
    if not isinstance(dataset, str) or not dataset.endswith("_train"):
        raise ValueError(f"folds need one training set called NAME_train, not {dataset}")
    name = dataset.removesuffix("_train")
    if num_folds is not None:
        names = {k: f"{name}_fold{k}of{num_folds}" for k in range(num_folds)}
        DatasetCatalog.get(f"{name}_fold0of{num_folds}_train")  # raises if there are too few
    else:
        matches = [
            re.fullmatch(rf"({re.escape(name)}_fold(\d+))_train", n) for n in DatasetCatalog.list()
        ]
        names = {int(match[2]): match[1] for match in matches if match}
        if not names and (data_root() / name / FACTS).is_file():
            names = {k: f"{name}_fold{k}" for k in range(num_folds_of(data_root() / name))}
    if not names:
        raise ValueError(f"{name} has no folds of its own: --folds 5 divides its patients")
    return [
        FoldOfDataset(
            number,
            f"{fold}_train",
            tuple(f"{fold}_{part}" for part in ("val", "test") if _is_part(fold, part)),
        )
        for number, fold in sorted(names.items())
    ]


def _is_part(fold: str, part: str) -> bool:
    return part == "val" or f"{fold}_test" in DatasetCatalog.list()


def check_run_is_of_fold(fold: FoldOfDataset, output: Path) -> None:
    """Check that a run was scored on all patients of its fold, and saw no labels of them.

    Both are wrong if the dataset was divided in another way when the run was trained.

    Raises:
        ValueError: the run belongs to other patients.
    """
    records = DatasetCatalog.get(fold.tests[-1])
    left_out = {record.patient for record in records if record.annotated_frames}
    run = fold.run(output)
    scored = set(json.loads(fold.results(output).read_text(encoding="utf-8"))["patients"])
    trained: set[str] = set()
    if (labels := run / "labels.json").is_file():  # a loader of your own may write none
        trained.update(json.loads(labels.read_text(encoding="utf-8"))["labelled"]["patients"])
    wrong = [("was trained on", trained & left_out), ("was not scored on", left_out - scored)]
    wrong.append(("was also scored on", scored - left_out))
    for what, names in wrong:
        if names:
            raise ValueError(
                f"{run} {what} patient {min(names)}, but {fold.tests[-1]} has other patients: the "
                "dataset was divided anew. Delete this folder, or choose another --output"
            )


def pooled(files: list[Path], numbers: list[int] | None = None) -> dict:
    """Scores over the patients of all folds.

    Args:
        files: results.json of every fold, for the patients on whom it was not trained.
        numbers: number of every fold; None counts from 0.

    Returns:
        "num_patients"; "folds": their numbers; "classes": class -> "dice", "dice_ci95" and "folds"
        (mean of each fold); "mean": the same over all classes; "patients": patient -> class ->
        Dice; and, if a video has an ejection fraction, "ejection_fraction": the result of
        `agreement`.

    Raises:
        ValueError: a patient is in two folds, or two runs have other classes.
    """
    results = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    classes = list(results[0]["classes"])
    patients: dict[str, dict] = {}
    for file, result in zip(files, results, strict=True):
        if list(result["classes"]) != classes:
            raise ValueError(f"{file} has the classes {list(result['classes'])}, not {classes}")
        if twice := set(patients) & set(result["patients"]):
            raise ValueError(f"{file}: patient {min(twice)} is in another fold too")
        patients |= result["patients"]
    scores = np.array([[row[name] for name in classes] for row in patients.values()], float)
    folds = np.array([[r["classes"][name]["dice"] for name in classes] for r in results], float)
    found = {
        "num_patients": len(patients),
        "folds": list(range(len(files))) if numbers is None else numbers,
        "classes": {name: _scores(scores[:, [k]], folds[:, k]) for k, name in enumerate(classes)},
        "mean": _scores(scores, [result["mean"]["dice"] for result in results]),
        "patients": patients,
    }
    cases = [case for result in results for case in (result["heart"] or {}).get("cases", ())]
    if cases:
        measured, truth = (
            np.array([case[source]["ejection_fraction"] for case in cases], float)
            for source in ("prediction", "truth")
        )
        found["ejection_fraction"] = agreement(measured, truth, [c["patient"] for c in cases])
    return plain(found)


def _scores(scores: np.ndarray, folds) -> dict:
    return {
        "dice": overlap.mean(overlap.mean(scores, axis=0)),
        "dice_ci95": overlap.bootstrap_interval(scores),
        "folds": [float(value) for value in np.asarray(folds, float)],
    }


def table_of(found: dict) -> str:
    """The pooled scores as a Markdown table."""
    head = ["structure", "Dice", "95% interval", *(f"fold {k}" for k in found["folds"])]
    rows = []
    for name, scores in {**found["classes"], "mean": found["mean"]}.items():
        ends = scores["dice_ci95"]
        interval = f"{ends[0]:.3f} to {ends[1]:.3f}" if ends else "-"
        values = [scores["dice"], *scores["folds"]]
        shown = ["-" if value is None else f"{value:.3f}" for value in values]
        rows.append([name.replace("_", " "), shown[0], interval, *shown[1:]])
    note = f"Dice of {found['num_patients']} patients, each in the fold that was left out."
    means = [value for value in found["mean"]["folds"] if value is not None]
    if len(means) > 1:
        note += f" Standard deviation of the folds' means: {np.std(means, ddof=1):.4f}."
    if heart := found.get("ejection_fraction"):
        note += f" Ejection fraction: {_error(heart)}."
    if choice := found.get(ENTRY):
        note += f" {describe_choice(choice)}"
    return f"{markdown_table(head, rows)}\n\n{note}\n"


def _error(heart: dict) -> str:
    if not heart["num"]:
        return f"measured in none of {heart['missing']} videos"
    return (
        f"mean absolute error {heart['mae']:.1f}%, bias {heart['bias']:+.1f}% ({heart['num']} "
        f"videos, {heart['missing']} not measured)"
    )
