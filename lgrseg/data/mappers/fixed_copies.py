"""Clips with a key: unaugmented ones, or K fixed augmented copies.

Features of a frozen encoder for such a clip can be cached (lgrseg/studies/comparison).
"""

import hashlib
import zlib
from collections.abc import Sequence

import numpy as np

from lgrseg.data.frame_sampling import MixedSampler
from lgrseg.data.mappers.clips import ClipMapper
from lgrseg.data.record import VideoRecord
from lgrseg.structures import Clip, ClipTargets


class FixedCopies(ClipMapper):
    """Makes each clip in one of K augmented copies, which are equal in all epochs and runs.

    Copy k of a clip only depends on (video, anchor, k), including the sampled frames. Therefore
    samplers cannot have a schedule: they are called with `seen` 0, and a MixedSampler with a
    changing share is rejected. The copy of a sample is drawn with the generator of the sample.
    """

    def __init__(
        self,
        *,
        frame_sampler,
        input_size: tuple[int, int],
        augmentations: Sequence = (),
        copies: int = 0,
    ):
        """Like ClipMapper; `copies` is K, and 0 means no augmentation.

        Raises:
            ValueError: `copies` is negative, there are no augmentations to make copies, or the
                sampler has a schedule.
        """
        super().__init__(
            frame_sampler=frame_sampler, input_size=input_size, augmentations=augmentations
        )
        if scheduled := _scheduled(self.frame_sampler):
            raise ValueError(
                f"frame_sampler changes during a run (start={scheduled.start}, "
                f"end={scheduled.end}), but fixed copies must not change: set start and end to the "
                "same value, or use another sampler"
            )
        if copies < 0:
            raise ValueError(f"copies is 0 (no augmentation) or more, not {copies}")
        if copies and not self.augmentations:
            raise ValueError(
                f"copies={copies} needs augmentations; the mapper has none, so use copies=0"
            )
        self.copies = copies
        if copies == 0:
            self.augmentations = []

    def __call__(
        self, record: VideoRecord, anchor: int, rng: np.random.Generator, seen: int = 0
    ) -> tuple[Clip, ClipTargets]:
        """Make a clip with `key`, and its targets."""
        copy = int(rng.integers(self.copies)) if self.copies else 0
        video = zlib.crc32(record.video_id.encode())
        copy_rng = np.random.default_rng([video, anchor, copy])
        clip, targets = super().__call__(record, anchor, copy_rng)
        clip.key = _key(clip, copy if self.copies else None)
        return clip, targets


def _scheduled(sampler) -> MixedSampler | None:
    """The sampler, or one inside it, that has a schedule; None if there is none."""
    if not isinstance(sampler, MixedSampler):
        return None
    if sampler.start != sampler.end:
        return sampler
    return _scheduled(sampler.first) or _scheduled(sampler.second)


def _key(clip: Clip, copy: int | None) -> str:
    # The key contains a digest of the pixels, so another size, augmentation or preparation of the
    # video gives another key.
    digest = hashlib.blake2b(clip.frames.numpy().tobytes(), digest_size=12).hexdigest()
    frames = ",".join(map(str, clip.frame_indices.tolist()))
    form = "" if copy is None else f" copy {copy}"
    return f"{clip.video_id} frames {frames}{form} {digest}"
