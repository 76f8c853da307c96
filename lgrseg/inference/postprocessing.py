"""Clean-up of predicted masks: the largest part of every structure, without holes.

Whether it helps depends on the model. tools/cross_validate.py --choose-postprocessing chooses by
the patients on whom a fold was not trained, as nnU-Net does (Isensee et al., Nature Methods 2021).
"""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage

ENTRY = "postprocessing"
"""Name of the choice in cross_validation.json."""


@dataclass(frozen=True)
class Postprocessing:
    """What is done with the label map of every frame; by default nothing."""

    largest_component: bool = False
    """Of every class, keep only the largest connected part; the others become background."""
    fill_holes: bool = False
    """Give background that lies inside a class to this class; other classes stay as they are."""

    @classmethod
    def read(cls, file: str | Path) -> "Postprocessing":
        """Read the choice of a cross-validation.

        Args:
            file: cross_validation.json, written with --choose-postprocessing.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is of another kind, or has no choice.
        """
        try:
            return cls(**json.loads(Path(file).read_text(encoding="utf-8"))[ENTRY]["chosen"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{file} has no choice of post-processing: give a cross_validation.json that "
                "tools/cross_validate.py wrote with --choose-postprocessing"
            ) from error

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return self.largest_component or self.fill_holes

    def __call__(self, labels: np.ndarray) -> np.ndarray:
        """Clean a label map (H, W) uint8: 0 background, k + 1 for class k; makes a new one."""
        labels = labels.copy()
        values = [value for value in np.unique(labels).tolist() if value]
        if self.largest_component:
            for value in values:
                labels[_small_parts(labels == value)] = 0
        if self.fill_holes:
            for value in values:
                inside = ndimage.binary_fill_holes(labels == value)
                labels[inside & (labels == 0)] = value
        return labels


WAYS = tuple(Postprocessing(*way) for way in itertools.product((False, True), repeat=2))
"""All combinations; the first does nothing."""


def _small_parts(mask: np.ndarray) -> np.ndarray:
    """All parts of a mask except the largest; pixels that touch at a corner are connected."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    return mask & (parts != largest)
