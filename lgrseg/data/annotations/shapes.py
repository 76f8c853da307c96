"""Outlines and run lengths that annotation tools draw, as masks of frames.

Coordinates are pixels from the corner of the picture, as CVAT, COCO and LabelMe count them: the
first pixel reaches from 0 to 1.
"""

import numpy as np

from lgrseg.data.annotations.clip import AnnotatedClip
from lgrseg.data.class_list import ClassList
from lgrseg.data.datasets.still_shapes import fault_of_shape, pixels_of_shape
from lgrseg.data.raw_video import UnusableVideo


class Drawing:
    """The masks of a clip while structures are drawn, one over the other."""

    def __init__(self, clip: AnnotatedClip, classes: ClassList, *, source: str):
        """`source` is the name of the file, for messages."""
        self.clip, self.classes, self.source = clip, classes, source
        self.masks: dict[int, np.ndarray] = {}
        self._num_covered = 0

    def check_size(self, height: int | str | None, width: int | str | None) -> None:
        """Refuse shapes that were drawn on frames of another size; None is not known.

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
        """Draw a shape over what the frame shows already.

        Args:
            frame: index in the clip, counted from 0.
            label: name of the structure, as the file has it.
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
            hint = "; --first-frame says which number the first one has"
            raise UnusableVideo(
                f"{self.source} draws on frame {frame}, the clip has the frames 0 to "
                f"{self.clip.num_frames - 1}{hint}"
            )
        return self.masks.setdefault(frame, np.zeros(self.clip.size, np.uint8))

    def finished(self, notes: list[str]) -> dict[int, np.ndarray]:
        """The masks; what a user should know of them is added to `notes`."""
        if self._num_covered:
            notes.append(
                f"{self.source}: {self._num_covered} pixels lie in two structures, and count for "
                "the one that was drawn later"
            )
        if not self.masks:
            notes.append(f"{self.source} draws nothing: no frame counts as annotated")
        return self.masks


def refuse_shape(kind: str, *, source: str, frame: int | None = None) -> None:
    """Raise UnusableVideo for a box, a line or a point: it says too little of a structure."""
    where = "" if frame is None else f", frame {frame}"
    raise UnusableVideo(
        f"{source}{where} holds a {kind}, which does not say which pixels belong to the structure; "
        "wanted are polygons or masks"
    )
