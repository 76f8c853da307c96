"""The height and width of maps, as a pair."""

from torch import Tensor


def map_size(maps: Tensor) -> tuple[int, int]:
    """(height, width) of maps (..., height, width)."""
    height, width = maps.shape[-2:]
    return height, width
