"""Reads animated GIF and WebP pictures as clips; one with a single frame is a clip of one frame."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lgrseg.data.io.lazy_frames import gather
from lgrseg.data.io.rates import checked_rate, uneven_steps
from lgrseg.data.io.video import UnreadableFile, Video

ANIMATIONS = (".gif", ".webp")
_DAMAGED = (OSError, EOFError, IndexError, SyntaxError, ValueError, struct.error)
"""Errors of Pillow for a damaged file."""


def read_animation(path: Path) -> Video:
    """Read the frames of a GIF or WebP picture as a viewer shows them; transparency is left out.

    The rate is that of the mean time between frames.
    """
    times: list[float] = []
    frames = gather(lambda: _shown(path, times), num_shown(path))
    # Without that of the last frame: a pause before the first one is shown again.
    steps = np.array(times[: max(0, len(frames) - 1)])
    notes = uneven_steps(steps)
    fps = None
    if len(steps) and steps.min() <= 0:
        notes.append("the file does not say how long its frames are shown: give the rate (fps)")
    elif len(steps):
        source = f"the mean time of {steps.mean():.4g} ms between frames"
        fps = checked_rate(1000 / float(steps.mean()), source=source, notes=notes)
    return Video(frames, fps=fps, notes=notes)


def num_shown(path: Path) -> int:
    """Number of frames; 0 if the file is damaged, too large, or not a picture."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return getattr(image, "n_frames", 1)
    except (*_DAMAGED, Image.DecompressionBombError):
        return 0


def first_shown(path: Path) -> np.ndarray:
    """The first frame, (H, W, 3) RGB.

    Raises:
        UnreadableFile: the file is damaged, or not a picture.
    """
    for frame in _shown(path, []):
        return frame
    raise UnreadableFile(f"{path.name} is not an image")


def _shown(path: Path, times: list[float]) -> Iterator[np.ndarray]:
    """Yield the frames as RGB, and set the time in ms for which each is shown."""
    from PIL import Image, ImageSequence, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            for number, frame in enumerate(ImageSequence.Iterator(image)):
                picture = np.asarray(frame.convert("RGB"))
                times[number:] = [float(frame.info.get("duration", 0))]
                yield picture
    except UnidentifiedImageError as error:
        raise UnreadableFile(f"{path.name} is not an image") from error
    except (*_DAMAGED, Image.DecompressionBombError) as error:
        raise UnreadableFile(f"{path.name} is damaged: {error}") from error
