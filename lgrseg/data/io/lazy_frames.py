"""Frames of a clip: in memory if they fit, otherwise read when they are accessed."""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from lgrseg.data.io.grey_values import Frames, is_grey

WHOLE_BYTES = 2**29
"""A clip with more bytes is read frame by frame, when frames are accessed."""
KEPT = 64
"""Number of cached frames; must be larger than the window of prediction."""


class LazyFrames(Sequence[np.ndarray]):
    """Behaves like an array (T, H, W) or (T, H, W, 3) uint8 for indexing by time."""

    dtype = np.dtype(np.uint8)

    def __init__(self, read: Callable[[int], np.ndarray], shape: tuple[int, ...]):
        """`read(index)` gives one frame; `shape` is the shape of the whole clip."""
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
        """The same frames, cropped to (top, left, bottom, right)."""
        top, left, bottom, right = box
        shape = (len(self), bottom - top, right - left, *self.shape[3:])
        return LazyFrames(lambda index: self[index][top:bottom, left:right], shape)


def crop_frames(frames, box: tuple[int, int, int, int]):
    """Crop frames (array or lazy) to (top, left, bottom, right)."""
    if isinstance(frames, LazyFrames):
        return frames.cropped(box)
    top, left, bottom, right = box
    return frames[:, top:bottom, left:right]


class FramesInOrder:
    """Random access to a source that can only be read from its beginning.

    Access to an earlier frame starts decoding from the beginning. Then the last KEPT frames are
    cached, because earlier frames are usually needed next: reading a clip backwards decodes it once
    per KEPT frames instead of once per frame.
    """

    def __init__(self, start: Frames):
        """`start()` gives all frames, beginning with the first one."""
        self._start = start
        self._frames: Iterator[np.ndarray] | None = None
        self._next = 0
        self._way: dict[int, np.ndarray] = {}

    def __call__(self, index: int) -> np.ndarray:
        """Return the frame at `index`.

        Raises:
            IndexError: the source has fewer frames than when the clip was opened.
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
        raise IndexError(f"the file was changed and has no frame {index} any more; open it again")


def gather(
    start: Frames, expected: int, *, read: Callable[[int], np.ndarray] | None = None
) -> np.ndarray | LazyFrames:
    """Read all frames of a source once; the result is lazy above WHOLE_BYTES.

    The result has one channel if all three channels are equal in every frame.

    Args:
        start: function that gives all frames, (H, W) or (H, W, 3) uint8, at every call from the
            first one.
        expected: approximate number of frames.
        read: function that gives one frame by its index, for a source with random access.

    Raises:
        ValueError: two frames differ in size.
    """
    size, coloured, count, buffer = None, False, 0, None
    for frame in start():
        if size is None:
            size = frame.shape[:2]
            buffer = _room((expected, *size))
        if frame.shape[:2] != size:
            raise ValueError(
                f"frame {count} has size {frame.shape[:2]}, but frame 0 has size {size}"
            )
        if not coloured and not is_grey(frame):
            coloured = True
            buffer = _moved(buffer, count, (expected, *size, 3))
        if buffer is not None and count == len(buffer):
            buffer = _moved(buffer, count, (2 * count, *buffer.shape[1:]))
        if buffer is not None:
            buffer[count] = _channels(frame, coloured)
        count += 1
    if size is None:
        return np.zeros((0, 0, 0), np.uint8)
    if buffer is not None:
        return buffer[:count]
    read = read or FramesInOrder(start)
    return LazyFrames(
        lambda index: _channels(read(index), coloured), (count, *size, *((3,) if coloured else ()))
    )


def _room(shape: tuple[int, ...]) -> np.ndarray | None:
    """An empty array for the frames, or None if it would be too large."""
    return np.empty(shape, np.uint8) if math.prod(shape) <= WHOLE_BYTES else None


def _moved(buffer: np.ndarray | None, count: int, shape: tuple[int, ...]) -> np.ndarray | None:
    """Copy the first `count` frames into an array of another length or with colours."""
    if buffer is None:
        return None
    room = _room((max(shape[0], count + 1), *shape[1:]))
    if room is not None:
        room[:count] = buffer[:count] if room.ndim == buffer.ndim else buffer[:count, ..., None]
    return room


def _channels(frame: np.ndarray, coloured: bool) -> np.ndarray:
    if coloured:
        return frame if frame.ndim == 3 else np.repeat(frame[..., None], 3, axis=-1)
    return frame if frame.ndim == 2 else np.ascontiguousarray(frame[..., 0])
