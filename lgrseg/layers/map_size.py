"""The size of maps, as a pair that other functions take."""

from torch import Tensor


def map_size(maps: Tensor) -> tuple[int, int]:
    """(height, width) of maps (..., height, width)."""
    height, width = maps.shape[-2:]
    return height, width
