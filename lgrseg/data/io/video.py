"""What a file is read into, and the error for one that cannot be."""

from dataclasses import dataclass, field

import numpy as np

from lgrseg.data.io.lazy_frames import LazyFrames

Spacing = tuple[float, float]
"""(row, column) in mm."""


class UnreadableFile(ValueError):
    """A file that cannot be read as a clip; the message names it, and says why."""


def one_line(error: Exception) -> str:
    """The last line of a library's message: the ones before name its own source and plugins."""
    lines = [line.strip() for line in str(error).splitlines()]
    lines = [line for line in lines if line and not line.endswith(":")]
    return lines[-1] if lines else type(error).__name__


@dataclass
class Video:
    """A clip as its file holds it."""

    frames: np.ndarray | LazyFrames
    """(T, H, W) uint8, or (T, H, W, 3) RGB where the file has colour; lazy where they would take
    more than lazy_frames.WHOLE_BYTES."""
    spacing_mm: Spacing | None = None
    """None where the file does not say, or says what cannot be."""
    fps: float | None = None
    affine: np.ndarray | None = None
    """(4, 4) of a NIfTI file, so that masks can be written with the same one."""
    meta: dict[str, str] = field(default_factory=dict)
    """What else the file says of itself: machine and coding, nothing that names a person."""
    notes: list[str] = field(default_factory=list)
    """What a user should know: no spacing, colour Doppler, an uneven rate, damage."""
    doubts: list[str] = field(default_factory=list)
    """Those of the notes that make masks of this clip doubtful: black frames, Doppler, damage."""

    def doubt(self, reason: str) -> None:
        """Add a note that makes masks of this clip doubtful."""
        self.notes.append(reason)
        self.doubts.append(reason)
