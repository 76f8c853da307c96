"""Finding the ultrasound fan in a clip, among text, ECG, colour bars and black frames.

The fan is large, in one piece and textured, and almost all of it changes from frame to frame. Text
and bars do not change; an ECG trace changes only along a thin line.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from lgrseg.data.record import VideoRecord
from lgrseg.data.store import open_frames, uncropped

MAX_FRAMES = 24
"""Largest number of frames that are examined, evenly distributed over the clip."""
MIN_AREA = 0.06
"""Smallest share of the picture that a fan can cover."""


@dataclass
class Fan:
    """Position of the fan in the picture."""

    box: tuple[int, int, int, int]
    """(top, left, bottom, right), bottom and right exclusive; the whole frame if none is
    found."""
    found: bool
    reason: str
    """How the fan was found, or why not."""
    mask: np.ndarray
    """(H, W) bool: the convex hull of the fan; all true if none is found."""

    @property
    def doubt(self) -> str:
        """Message for the user if no fan was found; else empty."""
        return "" if self.found else f"no fan found ({self.reason}), using whole frames"


def find_fan(frames: np.ndarray | Sequence[np.ndarray]) -> Fan:
    """Find the fan of a clip.

    Args:
        frames: (T, H, W) or (T, H, W, 3) uint8; T may be 1.

    Returns:
        The fan. If there is none, `found` is false and the box is the whole frame.
    """
    picked = _usable_frames(frames)
    if picked is None:
        return _whole(frames[0].shape[:2], "every frame is black")
    bright = _large_parts(_filled(_tissue(picked)))
    candidates = [("by brightness", bright)]
    if len(picked) >= 3:
        moving = _large_parts(_filled(_changing(picked)))
        # Motion is the most reliable sign; bright tissue around it completes the outline.
        candidates.insert(0, ("by change over time", _grown(moving, bright)))
    for reason, mask in candidates:
        fan = _fan_of(mask, reason)
        if fan is not None:
            return fan
    return _whole(picked.shape[1:3], f"no connected area of {MIN_AREA:.0%} of the frame")


def fan_of_record(record: VideoRecord) -> np.ndarray | None:
    """The fan of a prepared video as a (H, W) bool mask at its original size; None if not found."""
    fan = find_fan(open_frames(record))
    return uncropped(fan.mask, record).astype(bool) if fan.found else None


def _usable_frames(frames: np.ndarray | Sequence[np.ndarray]) -> np.ndarray | None:
    """Up to MAX_FRAMES grey frames (T, H, W) that are not black."""
    indices = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), MAX_FRAMES)).astype(int))
    picked = [_grey(np.asarray(frames[index])) for index in indices]
    lit = [frame for frame in picked if (frame > 20).mean() > 0.01]
    return np.stack(lit) if lit else None


def _grey(frame: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) if frame.ndim == 3 else frame


def _tissue(frames: np.ndarray) -> np.ndarray:
    """Pixels that are brighter than the background in any frame."""
    brightest = frames.max(axis=0)
    # The background is the most frequent dark level; some machines do not use 0.
    background = int(np.bincount(brightest.ravel(), minlength=256)[:64].argmax())
    return brightest > background + 6


def _changing(frames: np.ndarray) -> np.ndarray:
    """Pixels that change in many frames; a line that passes once does not count."""
    steps = np.abs(np.diff(frames.astype(np.int16), axis=0)) > 3
    # Compression lets still pixels flicker by one or two levels; a trace crosses a pixel rarely.
    return steps.mean(axis=0) > 0.2


def _filled(mask: np.ndarray) -> np.ndarray:
    """Close the gaps between speckles, then remove letters, traces and tick marks."""
    height, width = mask.shape
    reach = max(3, round(min(height, width) * 0.012)) | 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, disc)
    closed = ndimage.binary_fill_holes(closed).astype(np.uint8)
    thick = max(5, round(min(height, width) * 0.03)) | 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (thick, thick))
    return cv2.morphologyEx(closed, cv2.MORPH_OPEN, disc).astype(bool)


def _large_parts(mask: np.ndarray) -> np.ndarray:
    """The largest connected part, and those at least a tenth as large that lie close to it."""
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    sizes = np.bincount(labels.ravel())[1:]
    kept = labels == 1 + int(sizes.argmax())
    for part in np.flatnonzero(sizes >= 0.1 * sizes.max()) + 1:
        if _overlap_of_boxes(labels == part, kept) > 0.5:
            kept |= labels == part
    return kept


def _overlap_of_boxes(part: np.ndarray, main: np.ndarray) -> float:
    """The share of `part` inside the bounding box of `main`."""
    top, left, bottom, right = _box(main)
    return part[top:bottom, left:right].sum() / part.sum()


def _grown(moving: np.ndarray, bright: np.ndarray) -> np.ndarray:
    """The moving part, completed by the bright part if both belong to one fan."""
    if not moving.any() or not bright.any():
        return moving
    shared = (moving & bright).sum()
    alike = shared > 0.6 * bright.sum()  # the bright part is hardly larger
    return moving | bright if alike else moving


def _fan_of(mask: np.ndarray, reason: str) -> Fan | None:
    if mask.mean() < MIN_AREA:
        return None
    points = np.argwhere(mask)[:, ::-1].astype(np.int32)
    hull = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
    return Fan(_box(mask), True, reason, hull.astype(bool))


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _whole(size: tuple[int, int], reason: str) -> Fan:
    return Fan((0, 0, *size), False, reason, np.ones(size, bool))
