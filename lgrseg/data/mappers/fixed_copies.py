"""Clips whose pixels can be named: unaugmented ones, or K augmented copies that stay as they are.

What a frozen encoder makes of such a clip is computed once and kept (lgrseg/comparison).
"""

import hashlib
import zlib
from collections.abc import Sequence

import numpy as np

from lgrseg.data.frame_sampling import MixedSampler
from lgrseg.data.mappers.clips import ClipMapper
from lgrseg.structures import Clip, ClipTargets


class FixedCopies(ClipMapper):
    """Each clip in one of K augmented forms, which every epoch and every run draws alike.

    Copy k of a clip is a function of (video, anchor, k) alone: the choice of frames too, where it
    is random, which therefore cannot follow a schedule over the run: a sampler is called with
    `seen` 0 always, and a MixedSampler whose share changes is refused. Which copy a sample shows is
    drawn with its own generator.
    """

    def __init__(
        self,
        *,
        frame_sampler,
        input_size: tuple[int, int],
        augmentations: Sequence = (),
        copies: int = 0,
    ):
        """As ClipMapper; `copies` is K, and 0 leaves the augmentations out.

        Raises:
            ValueError: a negative number, copies that nothing would tell apart, or a sampler with a
                schedule.
        """
        super().__init__(
            frame_sampler=frame_sampler, input_size=input_size, augmentations=augmentations
        )
        if scheduled := _scheduled(self.frame_sampler):
            raise ValueError(
                f"frame_sampler draws otherwise early and late in a run (start={scheduled.start}, "
                f"end={scheduled.end}), and fixed clips are the same throughout: set both alike, "
                "or take another sampler"
            )
        if copies < 0:
            raise ValueError(f"copies is 0 (no augmentation) or more, not {copies}")
        if copies and not self.augmentations:
            raise ValueError(
                f"copies={copies} of a clip need augmentations; the mapper has none, so take 0"
            )
        self.copies = copies
        if copies == 0:
            self.augmentations = []

    def __call__(
        self, record: dict, anchor: int, rng: np.random.Generator, seen: int = 0
    ) -> tuple[Clip, ClipTargets]:
        """One sample, its clip with `key`."""
        copy = int(rng.integers(self.copies)) if self.copies else 0
        video = zlib.crc32(record["video_id"].encode())
        fixed = np.random.default_rng([video, anchor, copy])
        clip, targets = super().__call__(record, anchor, fixed)
        clip.key = _key(clip, copy if self.copies else None)
        return clip, targets


def _scheduled(sampler) -> MixedSampler | None:
    """The sampler, or one within it, whose choice depends on how much was seen."""
    if not isinstance(sampler, MixedSampler):
        return None
    if sampler.start != sampler.end:
        return sampler
    return _scheduled(sampler.first) or _scheduled(sampler.second)


def _key(clip: Clip, copy: int | None) -> str:
    # The digest makes the promise of `Clip.key` true whatever a mapper is set to: another size,
    # another augmentation or another preparation of the video is another key.
    digest = hashlib.blake2b(clip.frames.numpy().tobytes(), digest_size=12).hexdigest()
    frames = ",".join(map(str, clip.frame_indices.tolist()))
    form = "" if copy is None else f" copy {copy}"
    return f"{clip.video_id} frames {frames}{form} {digest}"
