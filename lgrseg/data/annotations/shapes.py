"""Draws the outlines and run lengths of annotation tools as masks of frames.

Coordinates are pixels from the corner of the picture, as CVAT, COCO and LabelMe count them: the
first pixel reaches from 0 to 1.
"""

import numpy as np

from lgrseg.data.annotations.clip import AnnotatedClip
from lgrseg.data.class_list import ClassList
from lgrseg.data.datasets.still_shapes import fault_of_shape, pixels_of_shape
from lgrseg.data.raw_video import UnusableVideo


class Drawing:
    """The masks of a clip, in which structures are drawn one over the other."""

    def __init__(self, clip: AnnotatedClip, classes: ClassList, *, source: str):
        """`source` is the name of the file, for messages."""
        self.clip, self.classes, self.source = clip, classes, source
        self.masks: dict[int, np.ndarray] = {}
        self._num_covered = 0

    def check_size(self, height: int | str | None, width: int | str | None) -> None:
        """Refuse shapes that were drawn on frames of another size; None is an unknown size.

        Raises:
            UnusableVideo: the clip has another size.
        """
        if height is None or width is None:
            return
        if (int(height), int(width)) != self.clip.size:
            raise UnusableVideo(
                f"{self.source} was drawn on frames of {height} x {width} (rows x columns), the "
                f"clip has {self.clip.size[0]} x {self.clip.size[1]}"
            )

    def add_shape(self, frame: int, label: str, shape: list | dict) -> None:
        """Draw a shape over the earlier shapes of its frame.

        Args:
            frame: index in the clip, counted from 0.
            label: name of the structure, as in the file.
            shape: polygons [[x1, y1, x2, y2, ...], ...], or COCO's run lengths.

        Raises:
            UnusableVideo: the shape cannot be drawn, or its label is unknown.
        """
        if fault := fault_of_shape(shape, self.clip.size):
            raise UnusableVideo(f"{self.source}, frame {frame}: an object ({label}) {fault}")
        self.add_mask(frame, label, pixels_of_shape(shape, self.clip.size))

    def add_mask(self, frame: int, label: str, mask: np.ndarray) -> None:
        """Draw the pixels that are true in (H, W)."""
        value = self.classes.index_of(label, source=self.source)
        drawn = self.frame(frame)
        self._num_covered += int(np.count_nonzero(drawn[mask] & (drawn[mask] != value)))
        drawn[mask] = value

    def frame(self, frame: int) -> np.ndarray:
        """The mask of a frame, which counts as annotated from now on.

        Raises:
            UnusableVideo: the clip has no such frame.
        """
        if not 0 <= frame < self.clip.num_frames:
            hint = "; --first-frame sets the number of the first one"
            raise UnusableVideo(
                f"{self.source} draws on frame {frame}, the clip has the frames 0 to "
                f"{self.clip.num_frames - 1}{hint}"
            )
        return self.masks.setdefault(frame, np.zeros(self.clip.size, np.uint8))

    def finished(self, notes: list[str]) -> dict[int, np.ndarray]:
        """Return the masks, and add notes for the user to `notes`."""
        if self._num_covered:
            notes.append(
                f"{self.source}: {self._num_covered} pixels lie in two structures; they belong to "
                "the one that was drawn later"
            )
        if not self.masks:
            notes.append(f"{self.source} draws nothing: no frame counts as annotated")
        return self.masks


def refuse_shape(kind: str, *, source: str, frame: int | None = None) -> None:
    """Raise UnusableVideo for a box, a line or a point, which has no pixels of a structure."""
    where = "" if frame is None else f", frame {frame}"
    raise UnusableVideo(
        f"{source}{where} holds a {kind}, which does not determine the pixels of a structure; "
        "draw polygons or masks"
    )
