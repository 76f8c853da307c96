"""Checks the masks of a video: refuses those that training cannot use, reports odd ones."""

from collections.abc import Iterator

import cv2
import numpy as np

from lgrseg.data.raw_video import LoadedVideo, UnusableVideo

TINY = 0.02
"""A separate part below this share of a structure's area is reported as tiny."""


def refuse_wrong_labels(loaded: LoadedVideo, classes: tuple[str, ...]) -> None:
    """Raise UnusableVideo for masks that training could not use, or would use wrongly.

    Args:
        loaded: video as the dataset's `load` gives it.
        classes: class names; larger values are refused. Empty if the classes are not known.
    """
    masks = loaded.masks or {}
    num_frames, size = len(loaded.frames), loaded.frames.shape[1:3]
    beyond = [index for index in masks if not 0 <= index < num_frames]
    if beyond:
        raise UnusableVideo(
            f"there are masks of frames {_short(beyond)}, but the clip has {num_frames} frames, "
            f"0 to {num_frames - 1}"
        )
    for index, mask in masks.items():
        if mask.shape != size:
            raise UnusableVideo(f"the mask of frame {index} is {mask.shape}, the frames are {size}")
        if mask.dtype.kind not in "biu":
            raise UnusableVideo(
                f"the mask of frame {index} holds {mask.dtype}; wanted are whole numbers"
            )
    refuse_unknown_values(label_values(masks), classes)


def refuse_unknown_values(values: list[int], classes: tuple[str, ...]) -> None:
    """Raise UnusableVideo if a mask has a value that is not a class."""
    most = len(classes) or 255
    unknown = [value for value in values if not 0 < value <= most]
    if unknown:
        named = f" ({', '.join(classes)})" if classes else ""
        raise UnusableVideo(
            f"the masks hold the values {_short(unknown)}; allowed are 0 to {most}{named}"
        )


def label_values(masks: dict[int, np.ndarray] | None) -> list[int]:
    """Values other than 0 that occur in any mask, in order."""
    found: set[int] = set()
    for mask in (masks or {}).values():
        # Counting takes a twentieth of the time of sorting, but needs small numbers.
        can_count = mask.dtype == np.uint8
        values = np.flatnonzero(np.bincount(mask.ravel())) if can_count else np.unique(mask)
        found.update(map(int, values))
    return sorted(found - {0})


def odd_labels(
    masks: dict[int, np.ndarray] | None, classes: tuple[str, ...], inside: np.ndarray | None = None
) -> list[str]:
    """Sentences about odd masks: empty, outside the fan, in pieces, or not filled.

    Args:
        masks: frame index -> (H, W); None without labels.
        classes: class names; a value without a name is shown as a number.
        inside: (H, W) bool, the part of the picture that is kept; None if all of it is kept.
    """
    frames_of: dict[str, list[int]] = {}
    for frame, labels in sorted((masks or {}).items()):
        for what in _odd_mask(labels, classes, inside):
            frames_of.setdefault(what, []).append(frame)
    worst_first = sorted(frames_of.items(), key=lambda item: "part" in item[0])
    return [_sentence(what, frames) for what, frames in worst_first]


def _odd_mask(
    labels: np.ndarray, classes: tuple[str, ...], inside: np.ndarray | None
) -> Iterator[str]:
    if not labels.any():
        yield ": the mask is empty"
    if inside is not None and (outside := np.count_nonzero(labels[~inside])):
        yield f": {outside} annotated pixels lie outside the fan"
    for value in label_values({0: labels}):
        name = classes[value - 1] if value <= len(classes) else f"value {value}"
        mask = (labels == value).astype(np.uint8)
        left, top, width, height = cv2.boundingRect(mask)
        for what in _odd_shape(mask[top : top + height, left : left + width]):
            yield f", {name}: {what}"


def _odd_shape(mask: np.ndarray) -> Iterator[str]:
    around, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(mask), around, -1, 1, cv2.FILLED)
    if np.count_nonzero(filled) > 2 * np.count_nonzero(mask):
        yield "an outline, not filled"
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    areas = np.sort(stats[1:, cv2.CC_STAT_AREA])
    tiny = areas[areas < TINY * areas.sum()]
    if len(tiny):
        yield f"{len(tiny)} tiny parts, of {tiny.sum()} pixels"
    if count - 1 - len(tiny) > 1:
        yield f"{count - 1 - len(tiny)} separate parts"


def _sentence(what: str, frames: list[int]) -> str:
    return f"frame{'s' * (len(frames) > 1)} {_short(frames)}{what}"


def _short(numbers: list) -> str:
    """Some numbers of many, for a message."""
    shown = ", ".join(map(str, sorted(numbers)[:5]))
    return shown + (f", ... ({len(numbers)} in all)" if len(numbers) > 5 else "")
