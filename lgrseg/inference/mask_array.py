"""Memory for the masks of a clip; large masks are in a temporary file."""

import math
import os
import tempfile

import numpy as np

IN_MEMORY_BYTES = 2**28
"""Larger masks are in a temporary file, and the system keeps only the used parts in memory."""


def empty_masks(shape: tuple[int, int, int]) -> np.ndarray:
    """Make an array (T, H, W) uint8 of zeros.

    A large array is a memory map of a temporary file (in TMPDIR), which is deleted with the array.

    Raises:
        OSError: the disk has no space for the file.
    """
    size = math.prod(shape)
    if size <= IN_MEMORY_BYTES:
        return np.zeros(shape, np.uint8)
    with tempfile.TemporaryFile(prefix="lgrseg_masks_") as file:
        if hasattr(os, "posix_fallocate"):  # so that a full disk is an error now, not a crash later
            os.posix_fallocate(file.fileno(), 0, size)
        return np.memmap(file, np.uint8, "w+", shape=shape)
