"""Summarises the rows of all frames for results.json: means over patients, sites and clips.

Letters: F annotated frames, K classes, P patients.
"""

import numpy as np

from lgrseg.evaluation.clinical.heart_function import heart_function
from lgrseg.evaluation.frame_scores import FrameRow
from lgrseg.evaluation.metrics import overlap, surface

FROM_COUNTS = {
    "dice": overlap.dice,
    "iou": overlap.iou,
    "sensitivity": overlap.sensitivity,
    "precision": overlap.precision,
}


def summarise(
    rows: list[FrameRow], classes: tuple[str, ...], *, tolerance: float, seed: int = 0
) -> dict:
    """Content of results.json, without dataset name, protocol name and time.

    Args:
        rows: results of `score_frame` with their anchors, in a fixed order.
        classes: names of the K classes.
        tolerance: tolerance of the surface Dice in the rows.
        seed: seed of the bootstrap; the same seed gives the same intervals.
    """
    scores, unit, missed = _scores(rows)
    patients = [row.patient for row in rows]
    clips = [(row.video_id, row.anchor) for row in rows]
    names, by_patient = overlap.group_means(scores["dice"], patients)
    means = {
        name: overlap.mean(overlap.group_means(values, patients)[1], axis=0)
        for name, values in scores.items()
    }

    def interval(values: np.ndarray) -> list[float] | None:
        return overlap.bootstrap_interval(values, seed=seed)

    videos, by_video = overlap.group_means(scores["dice"], [row.video_id for row in rows])
    return {
        "num_clips": len(set(clips)),
        "num_frames": len(rows),
        "num_patients": len(names),
        "classes": {
            cls: {name: values[k] for name, values in means.items()}
            | {"missed": int(missed[:, k].sum()), "dice_ci95": interval(by_patient[:, [k]])}
            for k, cls in enumerate(classes)
        },
        "mean": {name: overlap.mean(values) for name, values in means.items()}
        | {"missed": int(missed.sum())}
        | _single_class_means(rows, patients),
        "dice_ci95": interval(by_patient),
        "distance_unit": unit,
        "videos_without_distances": len({row.video_id for row in rows if row.unit != unit}),
        "nsd_tolerance": tolerance,
        "empty_class_rule": "skip",
        "mean_by_rule": _means_by_rule(scores["dice"], patients),
        "mean_over_clips": _means_by_rule(scores["dice"], clips),
        "sites": _by_group([row.site for row in rows], patients, scores["dice"], classes),
        "qualities": _by_group([row.quality for row in rows], patients, scores["dice"], classes),
        "patients": _named(names, by_patient, classes),
        "videos": _named(videos, by_video, classes),
        "heart": heart_function(rows, seed=seed),
    }


def _single_class_means(rows: list[FrameRow], patients: list[str]) -> dict[str, float]:
    """Means of the measures that exist for a single class only; empty for several classes."""
    columns = {"s_measure": [row.s_measure for row in rows], "mae": [row.mae for row in rows]}
    means = {}
    for name, column in columns.items():
        if column[0] is not None:
            values = np.array(column, float)[:, None]
            means[name] = float(overlap.mean(overlap.group_means(values, patients)[1]))
    return means


def _scores(rows: list[FrameRow]) -> tuple[dict[str, np.ndarray], str, np.ndarray]:
    """Every score as (F, K), the unit of distances, and a (F, K) mask of infinite distances.

    If only some videos have a spacing, distances of the others are left out (NaN).
    """
    counts = np.array([row.counts for row in rows])
    scores = {name: of(counts) for name, of in FROM_COUNTS.items()}
    distances = np.array([row.distances for row in rows])  # F K measures
    units = [row.unit for row in rows]
    unit = "mm" if "mm" in units else "px"
    missed = np.isinf(distances[..., 0])
    distances[[unit_of_row != unit for unit_of_row in units]] = np.nan
    distances[np.isinf(distances)] = np.nan
    scores |= {name: distances[..., i] for i, name in enumerate(surface.NAMES)}
    return scores, unit, missed


def _means_by_rule(scores: np.ndarray, groups: list) -> dict[str, float]:
    return {
        rule: overlap.mean_over_classes(
            overlap.group_means(overlap.apply_rule(scores, rule), groups)[1]
        )
        for rule in overlap.RULES
    }


def _named(names: list[str], scores: np.ndarray, classes: tuple[str, ...]) -> dict[str, dict]:
    return {
        name: dict(zip(classes, row, strict=True)) for name, row in zip(names, scores, strict=True)
    }


def _by_group(
    groups: list[str | None], patients: list[str], scores: np.ndarray, classes: tuple[str, ...]
) -> dict[str, dict]:
    """Dice of every group of frames (site or image quality); frames of no group are left out."""
    summaries = {}
    for group in sorted({name for name in groups if name is not None}):
        chosen = [i for i, name in enumerate(groups) if name == group]
        names, by_patient = overlap.group_means(scores[chosen], [patients[i] for i in chosen])
        values = overlap.mean(by_patient, axis=0)
        summaries[group] = {
            "num_patients": len(names),
            "patients": names,
            "dice": overlap.mean(values),
            "classes": dict(zip(classes, values, strict=True)),
        }
    return summaries
