"""Frames of two styles without pairs, for a model that translates one into the other.

Sources are those of frame_sources.py; labels are not read. Frame i of a stream is a function of
(seed, i) as in streams.py. The two styles have separate permutations and random numbers, so each
frame meets others in every epoch. A frame that cannot be read is replaced, as images/replacing.py
says.
"""

from collections.abc import Sequence

import numpy as np
from torch.utils.data import Dataset

from lgrseg.data.frame_sources import frames_of, replacing_of
from lgrseg.data.mappers.clips import resize_frames
from lgrseg.data.mappers.views import augmented, clip_of, random_box
from lgrseg.data.streams import element_at
from lgrseg.structures import Clip, UnlabelledViews

_ORDER, _AUGMENT, _OTHERS = (10, 11), (12, 13), (18, 19)
"""Purposes of random numbers for style A and style B; those of streams.py are below 10."""


class UnpairedFrames(Dataset):
    """Every frame of A once per epoch, with a frame of B that has nothing to do with it.

    Item i is UnlabelledViews: the frame of A for the teacher, the one of B for the student.
    """

    def __init__(
        self,
        *,
        dataset: str,
        other: str,
        size: tuple[int, int],
        scale: tuple[float, float] = (0.8, 1.0),
        augmentations: Sequence = (),
        seed: int = 0,
    ):
        """List the frames of both sources.

        Args:
            dataset: source of style A: name of a dataset, or folder of images.
            other: source of style B.
            size: (height, width) to which each part is resized, in pixels.
            scale: smallest and largest share of the frame's area that a part shows, 0 to 1.
            augmentations: augmentations of each part; they should not change the style.
            seed: seed of the run.

        Raises:
            ValueError: a source has no frame, or `scale` is not a range of shares.
        """
        low, high = scale
        if not 0 < low <= high <= 1:
            raise ValueError(f"a share of the frame's area must be 0 to 1, not {low} to {high}")
        self.sources = [frames_of(dataset), frames_of(other)]
        self.replacing = [
            replacing_of(name, frames)
            for name, frames in zip((dataset, other), self.sources, strict=True)
        ]
        self.size, self.scale = (size[0], size[1]), (low, high)
        self.augmentations, self.seed = list(augmentations), seed

    def __len__(self) -> int:
        return len(self.sources[0])

    def __getitem__(self, index: int):
        of_a, of_b = (self._clip(style, index) for style in range(2))
        return UnlabelledViews(teacher=[of_a], student=[of_b])

    def _clip(self, style: int, index: int) -> Clip:
        frames = self.sources[style]
        first = element_at(len(frames), index, self.seed, _ORDER[style])
        number, picture = self.replacing[style].read(
            first,
            lambda number: (number, frames[number].read()),
            (self.seed, _OTHERS[style], index),
        )
        rng = np.random.default_rng([self.seed, _AUGMENT[style], index])
        top, left, bottom, right = random_box(picture.shape[:2], self.scale, rng)
        part = resize_frames([picture[top:bottom, left:right]], self.size)
        part = augmented(part, self.augmentations, rng)
        return clip_of(part, [frames[number].index], frames[number].name, rng)
