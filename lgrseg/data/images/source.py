"""What a stream of unlabelled images reads: a source of numbered elements."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lgrseg.data.io.video import UnreadableFile

UNUSABLE = (UnreadableFile, FileNotFoundError, PermissionError)
"""Errors of one element, which is then left out. Other errors, such as those of a server that does
not answer, stop the run: it would not be reproducible without the element."""


@dataclass(frozen=True)
class Picture:
    """One frame that was read."""

    name: str
    """Path of the file, within the source."""
    index: int
    """Index of the frame in its file; 0 for a still image."""
    frame: np.ndarray
    """(H, W) uint8, grey."""


def grey_of(frame: np.ndarray) -> np.ndarray:
    """Make a frame (H, W) or (H, W, 3) RGB uint8 grey: (H, W); so frames of all files are alike."""
    import cv2

    return frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


class ImageSource(Protocol):
    """Elements that a stream chooses from; an element is an image, or a clip of several frames."""

    place: str
    """Path or URL, for messages."""

    def __len__(self) -> int:
        """Number of elements."""
        ...

    def name(self, element: int) -> str:
        """Name of an element, for messages."""
        ...

    def element_at(self, position: int, seed: int) -> int:
        """Element at a position of the infinite stream; a function of its arguments only."""
        ...

    def read(self, element: int, rng: np.random.Generator) -> Picture:
        """Read an element; of a clip, one random frame.

        Raises:
            UnreadableFile, FileNotFoundError, PermissionError: this element cannot be read.
            OSError: the source cannot be read at all.
        """
        ...
