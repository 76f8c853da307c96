"""Room for the masks of a clip: in memory where they are small, else in a file without a name."""

import math
import os
import tempfile

import numpy as np

IN_MEMORY_BYTES = 2**28
"""Masks that take more lie in a temporary file, of which the system holds what is in use."""


def empty_masks(shape: tuple[int, int, int]) -> np.ndarray:
    """An array (T, H, W) uint8 of zeros.

    A large one is a memory map of a temporary file (in TMPDIR), which ends with the array.

    Raises:
        OSError: there is no room for the file.
    """
    size = math.prod(shape)
    if size <= IN_MEMORY_BYTES:
        return np.zeros(shape, np.uint8)
    with tempfile.TemporaryFile(prefix="lgrseg_masks_") as file:
        if hasattr(os, "posix_fallocate"):  # a full disk is an error here, not a crash later
            os.posix_fallocate(file.fileno(), 0, size)
        return np.memmap(file, np.uint8, "w+", shape=shape)
