"""Choice of the post-processing, by patients on whom a fold was not trained."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from lgrseg.data.catalog import MetadataCatalog
from lgrseg.data.store import read_masks
from lgrseg.engine.loaded_run import LoadedRun
from lgrseg.evaluation.frame_scores import FrameRow, score_frame
from lgrseg.evaluation.results import plain
from lgrseg.evaluation.summary import summarise
from lgrseg.inference.postprocessing import ENTRY, WAYS, Postprocessing
from lgrseg.reporting.tables import show

TOLERANCE = 2.0
"""Tolerance of the surface Dice in mm, which is not used."""


def choose_postprocessing(folds: Sequence[tuple[Path, str]]) -> dict:
    """Try all ways of post-processing on out-of-fold predictions.

    The best way is the one with the lowest mean HD95 among those whose mean Dice is not below that
    without post-processing. Dice alone hardly sees small parts that are far away. The weights are
    the last ones of every run: the best ones may have been chosen on the same patients.

    Args:
        folds: folder of the run of every fold, and the dataset of the patients on whom it was not
            trained.

    Returns:
        "chosen": the fields of a Postprocessing; "tried": for each way its fields, "dice", "hd95"
        and "classes" (class -> Dice and HD95); "num_patients".

    Raises:
        FileNotFoundError: a fold has no checkpoint, or its dataset is not prepared.
    """
    rows: dict[Postprocessing, list[FrameRow]] = {way: [] for way in WAYS}
    for folder, dataset in folds:
        for way, scored in score_ways(LoadedRun(folder, weights="last"), dataset).items():
            rows[way] += scored
    classes = MetadataCatalog.get(folds[0][1]).classes
    results = {way: summarise(rows[way], classes, tolerance=TOLERANCE) for way in WAYS}
    tried = [asdict(way) | _of_interest(results[way]) for way in WAYS]
    found = {
        "chosen": asdict(best_way({way: result["mean"] for way, result in results.items()})),
        "tried": tried,
        "num_patients": results[WAYS[0]]["num_patients"],
    }
    return plain(found)


def keep_choice(found: dict, file: Path) -> str:
    """Add the choice that an earlier command wrote to the pooled scores, if it still holds.

    It holds if every patient has the same Dice as then: the runs are the same.

    Args:
        found: pooled scores of the runs as they are now; the choice is added to them.
        file: cross_validation.json of an earlier command; it may be missing.

    Returns:
        A sentence that says what became of the choice; empty if there was none.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        earlier = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error}): delete it, and run this again") from error
    if ENTRY not in earlier:
        return ""
    if earlier["patients"] == found["patients"]:
        found[ENTRY] = earlier[ENTRY]
        return f"{file} keeps the post-processing that was chosen earlier"
    return (
        f"{file} no longer has the post-processing that was chosen earlier, because the scores of "
        "the runs have changed: choose again with --choose-postprocessing when all are trained"
    )


def best_way(scores: dict[Postprocessing, dict[str, float]]) -> Postprocessing:
    """The way with the lowest "hd95" whose "dice" is not below that of doing nothing.

    Of ways with equal scores, the first of WAYS is chosen, so nothing is done without a gain.
    """
    nothing = scores[WAYS[0]]["dice"]
    allowed = [way for way in WAYS if scores[way]["dice"] >= nothing] or [WAYS[0]]
    return min(allowed, key=lambda way: (scores[way]["hd95"], -scores[way]["dice"]))


@torch.inference_mode()
def score_ways(run: LoadedRun, dataset: str) -> dict[Postprocessing, list[FrameRow]]:
    """Score the annotated frames of a dataset after every way of post-processing.

    Args:
        run: run that was not trained on these patients.
        dataset: name of the dataset in the catalog.
    """
    metadata = MetadataCatalog.get(dataset)
    rows: dict[Postprocessing, list[FrameRow]] = {way: [] for way in WAYS}
    device = next(run.member.model.parameters()).device
    for samples in run.loader(dataset):
        for record, anchor, clip, targets in samples:
            (prediction,) = run.member.model([clip.to(device)])
            positions = targets.annotated_frames
            logits = prediction.mask_logits[:, positions]
            maps = replace(prediction, mask_logits=logits).label_maps(clip.geometry).cpu().numpy()
            truth = read_masks(record)
            for position, labels in zip(positions, maps, strict=True):
                frame = int(clip.frame_indices[position])
                for way in WAYS:
                    row = score_frame(
                        way(labels),
                        truth[frame],
                        record,
                        frame,
                        metadata.classes,
                        tolerance=TOLERANCE,
                        roles=metadata.roles,
                    )
                    rows[way].append(replace(row, anchor=anchor))
    return rows


def _of_interest(results: dict) -> dict:
    return {
        "dice": results["mean"]["dice"],
        "hd95": results["mean"]["hd95"],
        "classes": {
            name: {measure: scores[measure] for measure in ("dice", "hd95")}
            for name, scores in results["classes"].items()
        },
    }


def describe_choice(found: dict) -> str:
    """A sentence about the result of `choose_postprocessing`."""
    names = [name.replace("_", " ") for name, used in found["chosen"].items() if used]
    patients = f"chosen on {found['num_patients']} patients out of fold"
    if not names:
        return f"Post-processing ({patients}): none, because it does not help."
    before = found["tried"][0]
    after = next(
        way
        for way in found["tried"]
        if all(way[name] == used for name, used in found["chosen"].items())
    )
    changes = ", ".join(
        f"{word} {show(before[key], digits)} to {show(after[key], digits)}"
        for word, key, digits in (("Dice", "dice", 4), ("HD95", "hd95", 2))
    )
    return f"Post-processing ({patients}): {' and '.join(names)}; {changes}."
