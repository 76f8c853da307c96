"""Which videos of a dataset are trained on with their labels, and which without.

Patients, never videos, are divided, so that nobody is in both parts unless asked for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LabelProtocol:
    """The two parts of the training videos; records as the catalog lists them."""

    labelled: list[dict]
    """Their annotations are used."""
    unlabelled: list[dict]
    """Their annotations, where there are any, are not."""
    fraction: float
    seed: int

    def summary(self) -> dict:
        """What labels.json of a run holds: who was labelled, so that others can do the same."""
        return {
            "label_fraction": self.fraction,
            "label_seed": self.seed,
            "labelled": _listed(self.labelled),
            "unlabelled": _listed(self.unlabelled),
        }


def divide_labels(
    records: list[dict],
    more: Sequence[dict] = (),
    *,
    fraction: float = 1.0,
    num_labelled: int | None = None,
    num_unlabelled: int | None = None,
    seed: int = 0,
) -> LabelProtocol:
    """Keep the labels of a share of the patients; everything may be seen without labels.

    Patients are put in one random order that depends on `seed` alone, and the first
    ceil(fraction x patients) keep their labels: so 10% lie within 25%, and methods are compared on
    the same labels. The unlabelled part holds the frames of all videos, those of labelled patients
    too (most of their frames have no label either), and `more`.

    Args:
        records: annotated videos.
        more: videos that nobody annotated.
        fraction: of the patients.
        num_labelled: N, videos at most that keep their labels, in the patients' order.
        num_unlabelled: M, videos at most in the unlabelled part: first `more`, then those of the
            patients whose labels are not used, then the labelled ones.
        seed: of the order.

    Raises:
        ValueError: `fraction` is not above 0 and at most 1, or a number below 1 is asked for, or
            one that is not there.
    """
    if not 0 < fraction <= 1:
        raise ValueError(
            f"label_fraction is above 0 and at most 1, not {fraction}; for training without any "
            "label set batch_size=0, and name unlabelled videos"
        )
    patients = np.array(sorted({record["patient"] for record in records}))
    order = patients[np.random.default_rng(seed).permutation(len(patients))].tolist()
    kept = order[: math.ceil(fraction * len(order) - 1e-9)]
    labelled = _first(records, kept, num_labelled, "num_labelled")
    ids = {record["video_id"] for record in labelled}
    others = [record for record in records if record["video_id"] not in ids]
    ranked = [*more, *_first(others, order, None, ""), *_first(labelled, order, None, "")]
    unlabelled = _at_most(ranked, num_unlabelled, "num_unlabelled")
    return LabelProtocol(labelled, unlabelled, fraction, seed)


def _first(records: list[dict], patients: list[str], count: int | None, name: str) -> list[dict]:
    """Videos of these patients, as the catalog lists them; the first `count` by patient."""
    rank = {patient: number for number, patient in enumerate(patients)}
    own = [record for record in records if record["patient"] in rank]
    ranked = sorted(own, key=lambda record: rank[record["patient"]])
    kept = {record["video_id"] for record in _at_most(ranked, count, name)}
    return [record for record in own if record["video_id"] in kept]


def _at_most(records: list[dict], count: int | None, name: str) -> list[dict]:
    if count is None:
        return records
    if not 1 <= count <= len(records):
        raise ValueError(f"{name}={count}, but there are {len(records)} videos to choose from")
    return records[:count]


def _listed(records: list[dict]) -> dict:
    return {
        "num_videos": len(records),
        "num_annotated_frames": sum(len(record["annotated_frames"]) for record in records),
        "patients": sorted({record["patient"] for record in records}),
        "videos": sorted(record["video_id"] for record in records),
    }
