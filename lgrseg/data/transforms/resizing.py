"""Resizes frames and label maps to the model's input size, both centre-aligned.

Pixel i of n covers the interval [i / n, (i + 1) / n) of its axis, in frames and in label maps, and
every function here averages over that interval. OpenCV's INTER_NEAREST does not: it reads
floor(i s) instead of floor((i + 1/2) s) and so moves a label map by (s - 1) / 2 pixels against its
frame, where s is the factor by which the picture shrinks.
"""

import cv2
import numpy as np


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize one picture: area average if an axis shrinks, linear interpolation if it grows.

    Args:
        image: (H, W) or (H, W, 3) picture, uint8 or float32.
        size: (height, width) of the result.

    Returns:
        (height, width) or (height, width, 3) of the same type.
    """
    # Axes are resized separately: if one axis grows, INTER_AREA does not average the other one.
    shrunk = (min(image.shape[0], size[0]), min(image.shape[1], size[1]))
    for target, method in ((shrunk, cv2.INTER_AREA), (tuple(size), cv2.INTER_LINEAR)):
        if image.shape[:2] != target:
            image = cv2.resize(np.ascontiguousarray(image), target[::-1], interpolation=method)
    return image


def resize_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a label map; a pixel gets the class that covers the largest part of it.

    If two classes cover equal parts, pixels are assigned alternately as on a chessboard, so that
    structures neither shrink nor move.

    Args:
        labels: (H, W) uint8 label map, 0 background, k + 1 for class k.
        size: (height, width) of the result.

    Returns:
        (height, width) uint8.
    """
    if labels.shape == tuple(size):
        return labels
    values = np.unique(labels)
    if len(values) == 1:
        return np.full(size, values[0], labels.dtype)
    shares = np.stack(
        [resize_image((labels == value).astype(np.float32), size) for value in values]
    )
    rows, columns = np.indices(size, sparse=True)
    chessboard = np.where((rows + columns) % 2, 1, -1)
    preference = 1e-4 * np.linspace(0, 1, len(values))[:, None, None] * chessboard
    return values[(shares + preference).argmax(axis=0)]
