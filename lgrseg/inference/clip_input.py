"""Converts the input of a user (a path, an array or a Video) to a Video."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lgrseg.data.io import LazyFrames, Video, read_video, to_uint8

Spacing = float | Sequence[float]


def as_video(
    clip: str | Path | np.ndarray | Video,
    *,
    spacing_mm: Spacing | None = None,
    fps: float | None = None,
) -> Video:
    """Make a Video of a clip.

    Args:
        clip: a path that `read_video` reads; frames (T, H, W) or (T, H, W, 3), which are scaled to
            0 to 255 if they are not uint8; or a Video.
        spacing_mm: millimetres between rows and between columns, or one number for both; None uses
            the spacing of the file.
        fps: frames per second; None uses the rate of the file.

    Raises:
        OSError: there is no such file.
        ValueError: the file cannot be read, the array has another shape, or the spacing or rate is
            impossible.
    """
    if isinstance(clip, str | Path):
        video = read_video(clip)
    elif isinstance(clip, Video):
        video = replace(clip, notes=list(clip.notes), doubts=list(clip.doubts))
    else:
        video = Video(_frames_of(clip))
    if spacing_mm is not None:
        video.spacing_mm = check_spacing(spacing_mm)
    if fps is not None:
        if not 0 < fps < float("inf"):
            raise ValueError(f"fps={fps}: the number of frames per second must be above 0")
        video.fps = float(fps)
    return video


def check_spacing(spacing_mm: Spacing) -> tuple[float, float]:
    """Convert one number or two numbers to a spacing (row, column) in millimetres.

    Raises:
        ValueError: they are not one or two numbers above 0.
    """
    values = np.atleast_1d(np.asarray(spacing_mm, float))
    if values.shape not in ((1,), (2,)) or not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(
            f"spacing_mm={spacing_mm}: give millimetres between rows and between columns, two "
            "numbers above 0, or one for both"
        )
    return float(values[0]), float(values[-1])


def _frames_of(array) -> np.ndarray | LazyFrames:
    frames = array if isinstance(array, LazyFrames) else np.asarray(array)
    shape = tuple(frames.shape)
    if not (len(shape) == 3 or (len(shape) == 4 and shape[-1] == 3)) or 0 in shape:
        remedy = ""
        if len(shape) == 2:
            remedy = "; one frame is frame[None]"
        elif len(shape) == 4 and shape[1] in (1, 3):
            remedy = "; channels come last: np.moveaxis(frames, 1, -1)"
        raise ValueError(
            f"an array of shape {shape} is no clip: frames are (T, H, W), or (T, H, W, 3) in "
            f"colour{remedy}"
        )
    if len(shape) == 3 and shape[-1] <= 4:
        raise ValueError(
            f"an array of shape {shape} looks like one colour frame: a clip of it is frame[None]"
        )
    if isinstance(frames, LazyFrames) or frames.dtype == np.uint8:
        return frames
    return to_uint8(frames)
