"""The record of a read clip, and the error for unreadable files."""

from dataclasses import dataclass, field

import numpy as np

from lgrseg.data.io.lazy_frames import LazyFrames

Spacing = tuple[float, float]
"""Pixel size (row, column) in mm."""


class UnreadableFile(ValueError):
    """A file cannot be read as a clip; the message has its name and the reason."""


def one_line(error: Exception) -> str:
    """The last line of a library's message; earlier lines are about its source and plugins.

    Errors of the system and of FFmpeg only say what is wrong, without numbers and functions.
    """
    if reason := getattr(error, "strerror", None):
        return str(reason)
    lines = [line.strip() for line in str(error).splitlines()]
    lines = [line for line in lines if line and not line.endswith(":")]
    return lines[-1] if lines else type(error).__name__


@dataclass
class Video:
    """A clip as read from its file."""

    frames: np.ndarray | LazyFrames
    """(T, H, W) uint8, or (T, H, W, 3) RGB if the file has colour; lazy above
    lazy_frames.WHOLE_BYTES."""
    spacing_mm: Spacing | None = None
    """Pixel size (row, column) in mm; None if the file has none, or an implausible one."""
    fps: float | None = None
    affine: np.ndarray | None = None
    """(4, 4) affine of a NIfTI file, so that masks can be written with the same affine."""
    meta: dict[str, str] = field(default_factory=dict)
    """Other metadata of the file: machine and coding, but no personal data."""
    notes: list[str] = field(default_factory=list)
    """Notes for the user: no spacing, colour Doppler, an uneven frame rate, damage."""
    doubts: list[str] = field(default_factory=list)
    """Notes that make masks of this clip doubtful: black frames, Doppler, damage."""

    def doubt(self, reason: str) -> None:
        """Add a note that makes masks of this clip doubtful."""
        self.notes.append(reason)
        self.doubts.append(reason)
