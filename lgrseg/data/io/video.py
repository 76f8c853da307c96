"""What a file is read into, and the error for one that cannot be."""

from dataclasses import dataclass, field

import numpy as np

from lgrseg.data.io.lazy_frames import LazyFrames


class UnreadableFile(ValueError):
    """A file that cannot be read as a clip; the message names it, and says why."""


@dataclass
class Video:
    """A clip as its file holds it."""

    frames: np.ndarray | LazyFrames
    """(T, H, W) uint8, or (T, H, W, 3) RGB where the file has colour; lazy where they would take
    more than WHOLE_BYTES."""
    spacing_mm: tuple[float, float] | None = None
    """(row, column); None where the file does not say."""
    fps: float | None = None
    affine: np.ndarray | None = None
    """(4, 4) of a NIfTI file, so that masks can be written with the same one."""
    meta: dict[str, str] = field(default_factory=dict)
    """What else the file says of itself: machine and coding, nothing that names a person."""
    notes: list[str] = field(default_factory=list)
    """What a user should know: no spacing, colour Doppler, an uneven rate, damage."""
