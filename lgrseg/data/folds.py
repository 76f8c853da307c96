"""Folds of any dataset: NAME_fold0of5_train, NAME_fold0of5_val and NAME_fold0of5_unlabelled.

The patients of NAME_train and NAME_val are divided into folds of about equal size, in an order that
depends on their names only. So every process, and every later command, makes the same folds.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lgrseg.data.record import VideoRecord

PARTS = ("train", "val", "unlabelled")
_NAME = re.compile(
    rf"(?P<dataset>.+)_fold(?P<number>\d+)of(?P<count>\d+)_(?P<part>{'|'.join(PARTS)})"
)


@dataclass(frozen=True)
class Fold:
    """One part of one fold of a dataset."""

    dataset: str
    """Name of the dataset, without its part."""
    number: int
    """Index of the fold, from 0."""
    count: int
    """Number of folds."""
    part: str
    """"val" has the patients of the fold, "train" all others; "unlabelled" has the videos of
    NAME_unlabelled without the patients of the fold."""

    @classmethod
    def parse(cls, name: str) -> "Fold | None":
        """The fold that a name such as mine_fold0of5_val means; None for other names."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        return cls(match["dataset"], int(match["number"]), int(match["count"]), match["part"])

    def select(
        self, records: Sequence[VideoRecord], unlabelled: Sequence[VideoRecord] = ()
    ) -> list[VideoRecord]:
        """The records of this part.

        Args:
            records: all records with labels; those without an annotated frame are left out.
            unlabelled: all records of NAME_unlabelled.

        Raises:
            ValueError: there is no such fold, or there are fewer patients than folds.
        """
        labelled = [record for record in records if record.annotated_frames]
        patients = sorted({record.patient for record in labelled})
        if not 2 <= self.count <= len(patients):
            raise ValueError(
                f"{self.dataset} has {len(patients)} patients with labels, so it can have 2 to "
                f"{len(patients)} folds, not {self.count}"
            )
        if self.number >= self.count:
            raise ValueError(
                f"{self.dataset} in {self.count} folds has the folds 0 to {self.count - 1}, not "
                f"{self.number}"
            )
        order = np.random.default_rng(0).permutation(len(patients))
        in_fold = {patients[index] for index in order[self.number :: self.count]}
        chosen = unlabelled if self.part == "unlabelled" else labelled
        return [record for record in chosen if (record.patient in in_fold) == (self.part == "val")]
