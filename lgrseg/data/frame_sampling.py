"""Which frames of a video make a clip: pure functions of (anchor, length, random generator).

The anchor is the frame that a clip is made for. A sampler may also look at `seen`, the number of
clips the run has drawn before, so that a schedule needs no state.
"""

import numpy as np


class AroundAnchor:
    """What the samplers around one annotated frame share: that frame alone is supervised."""

    def __init__(self, *, num_frames: int):
        """`num_frames` of a clip."""
        self.num_frames = num_frames

    def anchors(self, annotated: list[int], length: int) -> list[int]:
        """One clip for every annotated frame."""
        return sorted(annotated)

    def supervised(self, indices: list[int], anchor: int, annotated: list[int]) -> list[int]:
        """The anchor's position; where its frame is repeated, the one nearest to the middle."""
        if anchor not in annotated:
            return []
        found = [position for position, index in enumerate(indices) if index == anchor]
        return [min(found, key=lambda position: abs(position - len(indices) // 2))]


class DenseSampler(AroundAnchor):
    """Neighbouring frames, the annotated one in the middle.

    At the edges of a video frames repeat, so that the annotated one stays in the middle.
    """

    def __init__(self, *, num_frames: int, stride: int = 1):
        """`num_frames` is odd, so that there is a middle; neighbours are `stride` frames apart.

        Raises:
            ValueError: an even or non-positive number of frames, or a stride below 1.
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
        """Frame indices in temporal order, the anchor in the middle."""
        half = self.num_frames // 2
        wanted = (anchor + self.stride * offset for offset in range(-half, half + 1))
        return [min(max(index, 0), length - 1) for index in wanted]


class HybridSampler(AroundAnchor):
    """Hybrid temporal sampling: near neighbours at random steps, and far frames from anywhere.

    On both sides of the anchor near neighbours follow each other at steps of 1 to `max_step`,
    each step drawn alone; where a side has run out of frames the other gives more. Far frames are
    drawn from the rest of the video. No frame is taken twice unless the video is shorter than the
    clip; then each is taken once before any is repeated.
    """

    def __init__(self, *, num_frames: int, num_far: int = 2, max_step: int = 3):
        """`num_frames` holds the anchor, `num_far` far frames, and near ones for the rest.

        Raises:
            ValueError: more far frames than a clip has beside its anchor, or a step below 1.
        """
        if not 0 <= num_far < num_frames:
            raise ValueError(
                f"num_far={num_far} is 0 to {num_frames - 1} in a clip of num_frames={num_frames}, "
                "which has its anchor too"
            )
        if max_step < 1:
            raise ValueError(f"max_step is 1 (consecutive frames) or more, not {max_step}")
        super().__init__(num_frames=num_frames)
        self.num_far, self.max_step = num_far, max_step

    def __call__(
        self, anchor: int, length: int, rng: np.random.Generator, seen: int = 0
    ) -> list[int]:
        """Frame indices in temporal order, the anchor among them."""
        num_near = self.num_frames - 1 - self.num_far
        earlier, later = (self._walk(anchor, way, length, num_near, rng) for way in (-1, 1))
        half = num_near // 2
        # What one side lacks comes from the other.
        num_later = max(min(num_near - half, len(later)), num_near - len(earlier))
        chosen = {anchor, *later[:num_later], *earlier[: num_near - num_later]}
        rest = np.array([index for index in range(length) if index not in chosen], dtype=int)
        missing = self.num_frames - len(chosen)
        chosen.update(rng.choice(rest, min(missing, len(rest)), replace=False).tolist())
        repeats = self.num_frames - len(chosen)
        return sorted([*chosen, *rng.integers(length, size=repeats).tolist()])

    def _walk(self, anchor: int, way: int, length: int, num_steps: int, rng) -> list[int]:
        steps = rng.integers(1, self.max_step + 1, size=num_steps)
        walked = (anchor + way * np.cumsum(steps)).tolist()
        return [index for index in walked if 0 <= index < length]


class MixedSampler(AroundAnchor):
    """Some clips by one sampler, the others by another, in a share that changes over the run.

    The share of the second is `start` at first and `end` after `num_clips` clips, linear between.
    """

    def __init__(self, first, second, *, start: float, end: float, num_clips: int):
        """Both samplers make clips of one length.

        Raises:
            ValueError: they do not, a share is not 0 to 1, or `num_clips` is below 1.
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
        """Frame indices in temporal order, by either sampler."""
        chosen = self.second if rng.random() < self.share(seen) else self.first
        return chosen(anchor, length, rng, seen)


class WholeVideoSampler:
    """Every frame of a video, once; all that are annotated are supervised."""

    def anchors(self, annotated: list[int], length: int) -> list[int]:
        """One clip a video."""
        return [min(annotated)] if annotated else []

    def __call__(
        self, anchor: int, length: int, rng: np.random.Generator, seen: int = 0
    ) -> list[int]:
        """All frame indices."""
        return list(range(length))

    def supervised(self, indices: list[int], anchor: int, annotated: list[int]) -> list[int]:
        """Positions in the clip that are supervised."""
        known = set(annotated)
        return [position for position, index in enumerate(indices) if index in known]


class SegmentSampler:
    """One frame from each of equal parts of a video, for what is known of a video as a whole.

    Source: Wang et al., "Temporal Segment Networks", ECCV 2016, section 3.1. The anchor has no say.
    """

    def __init__(self, *, num_frames: int = 1, jitter: float = 0.0):
        """A shorter video repeats frames.

        Args:
            num_frames: of a clip, so many parts.
            jitter: share of a part that a frame is drawn from, about its middle: 0 takes the middle
                itself (for tests), 1 any frame of the part.

        Raises:
            ValueError: no frame, or a share that is not 0 to 1.
        """
        if num_frames < 1 or not 0 <= jitter <= 1:
            raise ValueError(
                f"num_frames={num_frames} is 1 or more, and jitter={jitter} a share from 0 to 1"
            )
        self.num_frames, self.jitter = num_frames, jitter

    def __call__(
        self, anchor: int, length: int, rng: np.random.Generator, seen: int = 0
    ) -> list[int]:
        """Frame indices in temporal order."""
        within = 0.5 + self.jitter * (rng.random(self.num_frames) - 0.5)
        places = (np.arange(self.num_frames) + within) / self.num_frames * length
        return np.minimum(places.astype(int), length - 1).tolist()
