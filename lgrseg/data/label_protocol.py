"""Divides the videos of a dataset into labelled and unlabelled ones for training.

The division is by patient, so that a patient's labels are used either for all videos or for none.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lgrseg.data.record import VideoRecord


@dataclass(frozen=True)
class LabelProtocol:
    """The two parts of the training videos; records as the catalog lists them."""

    labelled: list[VideoRecord]
    """Videos whose annotations are used."""
    unlabelled: list[VideoRecord]
    """Videos that are used without annotations."""
    fraction: float
    """Share of the patients whose labels are used; 0 for training without labels."""
    seed: int

    def summary(self) -> dict:
        """Content of labels.json of a run: the labelled patients and videos, for reproduction."""
        return {
            "label_fraction": self.fraction,
            "label_seed": self.seed,
            "labelled": _listed(self.labelled),
            "unlabelled": _listed(self.unlabelled),
        }


def divide_labels(
    records: list[VideoRecord],
    more: Sequence[VideoRecord] = (),
    *,
    fraction: float = 1.0,
    num_labelled: int | None = None,
    num_unlabelled: int | None = None,
    only_more: bool = False,
    seed: int = 0,
) -> LabelProtocol:
    """Select the patients whose labels are used; all videos may be used without labels.

    Patients are shuffled depending on `seed` only, and the labels of the first
    ceil(fraction x patients) are used. So the patients at 10% are a part of those at 25%, and
    methods are compared on the same labels. The unlabelled part has all videos, also those of
    labelled patients (most of their frames have no label), and `more`.

    Args:
        records: annotated videos.
        more: videos without annotations.
        fraction: share of the patients whose labels are used, above 0 to 1.
        num_labelled: largest number N of labelled videos, in the order of the patients.
        num_unlabelled: largest number M of unlabelled videos: first `more`, then videos of patients
            whose labels are not used, then the labelled ones.
        only_more: whether the unlabelled part is only `more`, without `records`.
        seed: seed of the order of the patients.

    Raises:
        ValueError: `fraction` is not above 0 and at most 1, or a number is below 1 or larger than
            the number of videos.
    """
    if not 0 < fraction <= 1:
        raise ValueError(
            f"label_fraction is above 0 and at most 1, not {fraction}; for training without any "
            "label set batch_size=0, and name unlabelled videos"
        )
    patients = np.array(sorted({record.patient for record in records}))
    order = patients[np.random.default_rng(seed).permutation(len(patients))].tolist()
    labelled_patients = order[: math.ceil(fraction * len(order) - 1e-9)]
    labelled = _first(records, labelled_patients, num_labelled, "num_labelled")
    ids = {record.video_id for record in labelled}
    others = [record for record in records if record.video_id not in ids]
    ranked = list(more)
    if not only_more:
        ranked += [*_first(others, order, None, ""), *_first(labelled, order, None, "")]
    unlabelled = _at_most(ranked, num_unlabelled, "num_unlabelled")
    return LabelProtocol(labelled, unlabelled, fraction, seed)


def _first(
    records: list[VideoRecord], patients: list[str], count: int | None, name: str
) -> list[VideoRecord]:
    """Videos of these patients in the order of the catalog; at most `count`, by patient."""
    rank = {patient: number for number, patient in enumerate(patients)}
    selected = [record for record in records if record.patient in rank]
    ranked = sorted(selected, key=lambda record: rank[record.patient])
    selected_ids = {record.video_id for record in _at_most(ranked, count, name)}
    return [record for record in selected if record.video_id in selected_ids]


def _at_most(records: list[VideoRecord], count: int | None, name: str) -> list[VideoRecord]:
    if count is None:
        return records
    if not 1 <= count <= len(records):
        raise ValueError(f"{name}={count}, but there are {len(records)} videos to choose from")
    return records[:count]


def _listed(records: list[VideoRecord]) -> dict:
    return {
        "num_videos": len(records),
        "num_annotated_frames": sum(len(record.annotated_frames) for record in records),
        "patients": sorted({record.patient for record in records}),
        "videos": sorted(record.video_id for record in records),
    }
