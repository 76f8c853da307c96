"""Which frames of a video make a clip: pure functions of (anchor, length, random generator)."""

import numpy as np


class DenseSampler:
    """Consecutive frames around an annotated one, which alone is supervised.

    At the edges of a video frames repeat, so that the annotated one stays in the middle.
    """

    def __init__(self, *, num_frames: int):
        """`num_frames` is odd, so that there is a middle.

        Raises:
            ValueError: an even or non-positive number.
        """
        if num_frames < 1 or num_frames % 2 == 0:
            raise ValueError(f"num_frames must be odd, so that a clip has a middle: {num_frames}")
        self.num_frames = num_frames

    def anchors(self, annotated: list[int], length: int) -> list[int]:
        """One clip for every annotated frame."""
        return sorted(annotated)

    def __call__(self, anchor: int, length: int, rng: np.random.Generator) -> list[int]:
        """Frame indices in temporal order, the anchor in the middle."""
        half = self.num_frames // 2
        return [min(max(i, 0), length - 1) for i in range(anchor - half, anchor + half + 1)]

    def supervised(self, indices: list[int], anchor: int, annotated: list[int]) -> list[int]:
        """Positions in the clip that are supervised: the middle, and not its repeats."""
        return [self.num_frames // 2] if anchor in annotated else []


class WholeVideoSampler:
    """Every frame of a video, once; all that are annotated are supervised."""

    def anchors(self, annotated: list[int], length: int) -> list[int]:
        """One clip a video."""
        return [min(annotated)] if annotated else []

    def __call__(self, anchor: int, length: int, rng: np.random.Generator) -> list[int]:
        """All frame indices."""
        return list(range(length))

    def supervised(self, indices: list[int], anchor: int, annotated: list[int]) -> list[int]:
        """Positions in the clip that are supervised."""
        known = set(annotated)
        return [position for position, index in enumerate(indices) if index in known]
