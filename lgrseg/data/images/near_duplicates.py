"""Near duplicates by a perceptual hash: copies of an image, and frames that hardly differ.

The hash is the difference hash of N. Krawetz ("Kind of Like That", hackerfactor.com, 2013), with
16 x 16 instead of 8 x 8 bits: the image is reduced to 16 rows of 17 grey values, and each bit
states whether a value is larger than its left neighbour. It hardly changes with size, contrast and
compression.
"""

import cv2
import numpy as np

SIDE = 16
BITS = SIDE * SIDE


def difference_hash(frame: np.ndarray) -> np.ndarray:
    """Compute the difference hash of a frame.

    Args:
        frame: (H, W) uint8.

    Returns:
        (32,) uint8, the 256 bits row by row.
    """
    small = cv2.resize(frame, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA)
    return np.packbits(small[:, 1:] > small[:, :-1])


def distance(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Number of different bits, 0 to 256, between a hash (32,) and hashes (N, 32)."""
    return np.bitwise_count(one ^ others).sum(axis=-1, dtype=np.int64)


class NearDuplicates:
    """The images that were accepted so far; finds those of which a new one is a near duplicate.

    Two hashes that differ in at most d bits are equal in at least one of d + 1 parts, because d
    bits cannot be in d + 1 parts. So only images with an equal part are compared.
    """

    def __init__(self, max_distance: int):
        """`max_distance` is the largest number of different bits of near duplicates, 0 to 31.

        Raises:
            ValueError: it is outside this range.
        """
        if not 0 <= max_distance < BITS // 8:
            raise ValueError(
                f"a distance of near duplicates is 0 to {BITS // 8 - 1} of {BITS} bits, not "
                f"{max_distance}"
            )
        self.max_distance = max_distance
        self._parts = np.array_split(np.arange(BITS // 8), max_distance + 1)
        self._with_part: dict[tuple[int, bytes], list[int]] = {}
        self._hashes: list[np.ndarray] = []
        self._names: list[str] = []

    def find(self, image_hash: np.ndarray) -> str | None:
        """Name of the first accepted image that is near enough; None if there is none."""
        numbers = sorted(
            {n for key in self._keys(image_hash) for n in self._with_part.get(key, ())}
        )
        if not numbers:
            return None
        near = distance(image_hash, np.stack([self._hashes[n] for n in numbers]))
        matches = np.flatnonzero(near <= self.max_distance)
        return self._names[numbers[matches[0]]] if len(matches) else None

    def add(self, image_hash: np.ndarray, name: str) -> None:
        """Accept an image."""
        number = len(self._names)
        self._names.append(name)
        self._hashes.append(image_hash)
        for key in self._keys(image_hash):
            self._with_part.setdefault(key, []).append(number)

    def _keys(self, image_hash: np.ndarray) -> list[tuple[int, bytes]]:
        return [(k, image_hash[part].tobytes()) for k, part in enumerate(self._parts)]
