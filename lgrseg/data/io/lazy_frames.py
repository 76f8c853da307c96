"""Frames of a clip: held whole where they fit into memory, else read when they are asked for."""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from lgrseg.data.io.grey_values import Frames, is_grey

WHOLE_BYTES = 2**29
"""A clip that takes more is read frame by frame, when frames are asked for."""
KEPT = 64
"""Frames that are remembered: more than a window of prediction goes back."""


class LazyFrames(Sequence):
    """Looks like (T, H, W) or (T, H, W, 3) uint8, as far as indexing by time goes."""

    dtype = np.dtype(np.uint8)

    def __init__(self, read: Callable[[int], np.ndarray], shape: tuple[int, ...]):
        """`read(index)` gives one frame; `shape` is that of all of them."""
        self._read, self.shape, self.ndim = read, tuple(shape), len(shape)
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index):
        if isinstance(index, slice):
            return np.stack([self[i] for i in range(*index.indices(len(self)))])
        index = range(len(self))[index]
        if index not in self._kept:
            self._kept[index] = self._read(index)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return self._kept[index]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype)

    def cropped(self, box: tuple[int, int, int, int]) -> "LazyFrames":
        """The same frames, cut to (top, left, bottom, right)."""
        top, left, bottom, right = box
        shape = (len(self), bottom - top, right - left, *self.shape[3:])
        return LazyFrames(lambda index: self[index][top:bottom, left:right], shape)


def crop_frames(frames, box: tuple[int, int, int, int]):
    """Frames (array or lazy) cut to (top, left, bottom, right)."""
    if isinstance(frames, LazyFrames):
        return frames.cropped(box)
    top, left, bottom, right = box
    return frames[:, top:bottom, left:right]


class FramesInOrder:
    """Frames of a source that can only be read from its beginning on.

    Going back begins anew. Who goes back a step will go back another: the KEPT frames before are
    then remembered, so that a clip that is read against time is decoded once for every KEPT
    frames, not for each.
    """

    def __init__(self, start: Frames):
        """`start()` gives the frames from the first one on."""
        self._start = start
        self._frames: Iterator[np.ndarray] | None = None
        self._next = 0
        self._way: dict[int, np.ndarray] = {}

    def __call__(self, index: int) -> np.ndarray:
        """The frame at `index`.

        Raises:
            IndexError: the source ends before it, as it did not when the clip was opened.
        """
        if index in self._way:
            return self._way.pop(index)
        self._way = {}
        back = self._frames is not None and index < self._next
        if self._frames is None or back:
            self._frames, self._next = iter(self._start()), 0
        for frame in self._frames:
            self._next += 1
            if self._next > index:
                return frame
            if back and self._next > index - KEPT + 1:
                self._way[self._next - 1] = frame
        self._frames = None
        raise IndexError(f"the file has become shorter: it has no frame {index}")


def gather(
    start: Frames, expected: int, *, read: Callable[[int], np.ndarray] | None = None
) -> np.ndarray | LazyFrames:
    """All frames of a source, gone through once; lazy where they take more than WHOLE_BYTES.

    They have one channel where all three are equal in every frame.

    Args:
        start: uint8 frames, (H, W) or (H, W, 3), from the first one on at every call.
        expected: how many they are, about.
        read: one frame by its number, where the source need not be read from its beginning.

    Raises:
        ValueError: two frames differ in size.
    """
    size, coloured, count, held = None, False, 0, None
    for frame in start():
        if size is None:
            size = frame.shape[:2]
            held = _room((expected, *size))
        if frame.shape[:2] != size:
            raise ValueError(f"frame {count} has the size {frame.shape[:2]}, frame 0 {size}")
        if not coloured and not is_grey(frame):
            coloured = True
            held = _moved(held, count, (expected, *size, 3))
        if held is not None and count == len(held):
            held = _moved(held, count, (2 * count, *held.shape[1:]))
        if held is not None:
            held[count] = _channels(frame, coloured)
        count += 1
    if size is None:
        return np.zeros((0, 0, 0), np.uint8)
    if held is not None:
        return held[:count]
    read = read or FramesInOrder(start)
    return LazyFrames(
        lambda index: _channels(read(index), coloured), (count, *size, *((3,) if coloured else ()))
    )


def _room(shape: tuple[int, ...]) -> np.ndarray | None:
    """An array to fill, None where it would be too large."""
    return np.empty(shape, np.uint8) if math.prod(shape) <= WHOLE_BYTES else None


def _moved(held: np.ndarray | None, count: int, shape: tuple[int, ...]) -> np.ndarray | None:
    """The first `count` frames in an array of another length or with colours."""
    room = _room((max(shape[0], count + 1), *shape[1:])) if held is not None else None
    if room is not None:
        room[:count] = held[:count] if room.ndim == held.ndim else held[:count, ..., None]
    return room


def _channels(frame: np.ndarray, coloured: bool) -> np.ndarray:
    if coloured:
        return frame if frame.ndim == 3 else np.repeat(frame[..., None], 3, axis=-1)
    return frame if frame.ndim == 2 else np.ascontiguousarray(frame[..., 0])
