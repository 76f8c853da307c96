"""The frames of a clip too long for memory, read when they are asked for."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

logger = logging.getLogger("lgrseg")

WHOLE_BYTES = 2**30
"""A movie or folder that is larger as RGB is read frame by frame, when frames are asked for."""
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


def lazy_images(files: list[Path], read: Callable[[Path], np.ndarray]) -> LazyFrames:
    """One file a frame; all must be of the size of the first."""
    first = read(files[0])

    def checked(index: int) -> np.ndarray:
        frame = read(files[index])
        if frame.shape != first.shape:
            raise ValueError(f"{files[index].name} is {frame.shape}, the first {first.shape}")
        return frame

    return LazyFrames(checked, (len(files), *first.shape))


class MovieFrames:
    """Decodes forwards; going back begins anew, and then remembers the way: see `__call__`."""

    def __init__(self, path: Path, *, pixel_format: str):
        """`pixel_format` is "gray" or "rgb24"."""
        self.path, self.pixel_format = path, pixel_format
        self._container, self._next = None, 0
        self._way: dict[int, np.ndarray] = {}

    def __call__(self, index: int) -> np.ndarray:
        """The frame at `index`; the last one that can be decoded where the stream ends early.

        Who goes back a step will go back another: the KEPT frames before are then held, so that a
        movie that is read against time is decoded once for every KEPT frames, not for each.
        """
        import av

        if index in self._way:
            return self._way.pop(index)
        self._way = {}
        back = self._container is not None and index < self._next
        if self._container is None or back:
            self._close()
            self._container = av.open(str(self.path))
            self._decoder = self._container.decode(video=0)
            self._next, self._last = 0, None
        while self._next <= index:
            if back and max(index - KEPT, -1) < self._next - 1 < index:
                self._way[self._next - 1] = self._last.to_ndarray(format=self.pixel_format)
            frame = next(self._decoder, None)
            if frame is None:
                logger.warning(
                    "%s ends after %d frames, before frame %d: the last one takes its place",
                    self.path.name,
                    self._next,
                    index,
                )
                break
            self._last = frame
            self._next += 1
        if self._last is None:
            raise ValueError(f"{self.path.name} holds no frame that can be decoded")
        return self._last.to_ndarray(format=self.pixel_format)

    def _close(self) -> None:
        if self._container is not None:
            self._container.close()
            self._container = None
