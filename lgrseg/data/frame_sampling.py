"""Frame samplers: pure functions from (anchor, length, random generator) to the frames of a clip.

The anchor is the frame for which a clip is sampled. A sampler may also use `seen`, the number of
clips that the run has sampled so far, so that a schedule needs no state.
"""

from collections.abc import Sequence

import numpy as np


class AroundAnchor:
    """Base class of samplers around one annotated frame, which is the only supervised one."""

    def __init__(self, *, num_frames: int):
        """`num_frames` is the number of frames of a clip."""
        self.num_frames = num_frames

    def anchors(self, annotated: Sequence[int], length: int) -> list[int]:
        """Return one anchor for every annotated frame."""
        return sorted(annotated)

    def supervised(self, indices: list[int], anchor: int, annotated: Sequence[int]) -> list[int]:
        """Position of the anchor in the clip; the one nearest to the middle if it is repeated."""
        if anchor not in annotated:
            return []
        positions = [position for position, index in enumerate(indices) if index == anchor]
        return [min(positions, key=lambda position: abs(position - len(indices) // 2))]


class DenseSampler(AroundAnchor):
    """Samples neighbouring frames, with the annotated one in the middle.

    At the ends of a video, frames are repeated, so that the annotated one stays in the middle.
    """

    def __init__(self, *, num_frames: int, stride: int = 1):
        """`num_frames` must be odd; neighbours are `stride` frames apart.

        Raises:
            ValueError: `num_frames` is even or not positive, or `stride` is below 1.
        """
        if num_frames < 1 or num_frames % 2 == 0:
            raise ValueError(f"num_frames must be odd, so that a clip has a middle: {num_frames}")
        if stride < 1:
            raise ValueError(f"stride is 1 (every frame) or more, not {stride}")
        super().__init__(num_frames=num_frames)
        self.stride = stride

    def __call__(
        self, anchor: int, length: int, rng: np.random.Generator, seen: int = 0
    ) -> list[int]:
        """Return frame indices in temporal order, with the anchor in the middle."""
        half = self.num_frames // 2
        indices = (anchor + self.stride * offset for offset in range(-half, half + 1))
        return [min(max(index, 0), length - 1) for index in indices]


class HybridSampler(AroundAnchor):
    """Hybrid temporal sampling: neighbours at random steps, and far frames of the whole video.

    On both sides of the anchor, neighbours have random distances of 1 to `max_step`. If one side
    has too few frames, more are taken from the other side. Far frames are drawn from the rest of
    the video. Frames are only repeated if the video is shorter than the clip, after all of its
    frames were used once.
    """

    def __init__(self, *, num_frames: int, num_far: int = 2, max_step: int = 3):
        """`num_frames` counts the anchor, `num_far` far frames, and neighbours.

        Raises:
            ValueError: there are more far frames than the clip has besides its anchor, or
                `max_step` is below 1.
        """
        if not 0 <= num_far < num_frames:
            raise ValueError(
                f"num_far={num_far} must be 0 to {num_frames - 1} in a clip of "
                f"num_frames={num_frames}, because one frame is the anchor"
            )
        if max_step < 1:
            raise ValueError(f"max_step is 1 (consecutive frames) or more, not {max_step}")
        super().__init__(num_frames=num_frames)
        self.num_far, self.max_step = num_far, max_step

    def __call__(
        self, anchor: int, length: int, rng: np.random.Generator, seen: int = 0
    ) -> list[int]:
        """Return frame indices in temporal order, with the anchor among them."""
        num_near = self.num_frames - 1 - self.num_far
        earlier, later = (self._walk(anchor, way, length, num_near, rng) for way in (-1, 1))
        half = num_near // 2
        # Frames that one side lacks are taken from the other side.
        num_later = max(min(num_near - half, len(later)), num_near - len(earlier))
        chosen = {anchor, *later[:num_later], *earlier[: num_near - num_later]}
        rest = np.array([index for index in range(length) if index not in chosen], dtype=int)
        missing = self.num_frames - len(chosen)
        chosen.update(rng.choice(rest, min(missing, len(rest)), replace=False).tolist())
        repeats = self.num_frames - len(chosen)
        return sorted([*chosen, *rng.integers(length, size=repeats).tolist()])

    def _walk(self, anchor: int, direction: int, length: int, num_steps: int, rng) -> list[int]:
        steps = rng.integers(1, self.max_step + 1, size=num_steps)
        walked = (anchor + direction * np.cumsum(steps)).tolist()
        return [index for index in walked if 0 <= index < length]


class MixedSampler(AroundAnchor):
    """Uses one of two samplers at random, with a probability that changes over the run.

    The probability of the second changes linearly from `start` to `end` over `num_clips` clips.
    """

    def __init__(self, first, second, *, start: float, end: float, num_clips: int):
        """Combine two samplers with the same number of frames.

        Raises:
            ValueError: the numbers of frames differ, a share is outside 0 to 1, or `num_clips` is
                below 1.
        """
        if first.num_frames != second.num_frames:
            raise ValueError(
                "mixed samplers need one num_frames, because clips of one batch share a shape: "
                f"{first.num_frames} and {second.num_frames}"
            )
        if not (0 <= start <= 1 and 0 <= end <= 1) or num_clips < 1:
            raise ValueError(
                f"start={start} and end={end} are shares from 0 to 1, and num_clips={num_clips} "
                "is 1 or more"
            )
        super().__init__(num_frames=first.num_frames)
        self.first, self.second = first, second
        self.start, self.end, self.num_clips = start, end, num_clips

    def share(self, seen: int) -> float:
        """The probability of the second sampler after this many clips."""
        return self.start + (self.end - self.start) * min(1.0, seen / self.num_clips)

    def __call__(
        self, anchor: int, length: int, rng: np.random.Generator, seen: int = 0
    ) -> list[int]:
        """Return frame indices in temporal order from one of the samplers."""
        chosen = self.second if rng.random() < self.share(seen) else self.first
        return chosen(anchor, length, rng, seen)


class WholeVideoSampler:
    """Samples all frames of a video; all annotated ones are supervised."""

    def anchors(self, annotated: Sequence[int], length: int) -> list[int]:
        """Return one anchor per video."""
        return [min(annotated)] if annotated else []

    def __call__(
        self, anchor: int, length: int, rng: np.random.Generator, seen: int = 0
    ) -> list[int]:
        """Return all frame indices."""
        return list(range(length))

    def supervised(self, indices: list[int], anchor: int, annotated: Sequence[int]) -> list[int]:
        """Return the supervised positions in the clip."""
        annotated_set = set(annotated)
        return [position for position, index in enumerate(indices) if index in annotated_set]


class SegmentSampler:
    """Samples one frame from each of several equal parts of a video, for labels of whole videos.

    Source: Wang et al., "Temporal Segment Networks", ECCV 2016, section 3.1. The anchor is ignored.
    """

    def __init__(self, *, num_frames: int = 1, jitter: float = 0.0):
        """Set up the sampler; frames of a shorter video are repeated.

        Args:
            num_frames: number of frames of a clip, which is the number of parts.
            jitter: central share of a part from which a frame is drawn, 0 to 1: 0 takes the middle
                frame (for tests), 1 any frame of the part.

        Raises:
            ValueError: `num_frames` is below 1, or `jitter` is outside 0 to 1.
        """
        if num_frames < 1 or not 0 <= jitter <= 1:
            raise ValueError(
                f"num_frames={num_frames} is 1 or more, and jitter={jitter} a share from 0 to 1"
            )
        self.num_frames, self.jitter = num_frames, jitter

    def __call__(
        self, anchor: int, length: int, rng: np.random.Generator, seen: int = 0
    ) -> list[int]:
        """Return frame indices in temporal order."""
        within = 0.5 + self.jitter * (rng.random(self.num_frames) - 0.5)
        places = (np.arange(self.num_frames) + within) / self.num_frames * length
        return np.minimum(places.astype(int), length - 1).tolist()
