"""Pairs of frames of one scene, a poor one and a good one, for a model that enhances images.

Either there are two sources (frame_sources.py) whose frames have equal names, or the poor frame is
made of the good one by augmentations. Pair i of a stream is a function of (seed, i) as in
streams.py. Both frames show the same part of the scene. A pair of which a frame cannot be read is
replaced, as images/replacing.py says.
"""

from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from lgrseg.data.annotations.clip import composed
from lgrseg.data.catalog import DatasetCatalog
from lgrseg.data.frame_sources import Frame, frames_of, replacing_of
from lgrseg.data.mappers.clips import resize_frames
from lgrseg.data.mappers.views import augmented, clip_of, random_box
from lgrseg.data.streams import element_at
from lgrseg.structures import UnlabelledViews

_ORDER, _AUGMENT, _OTHERS = 14, 15, 20
"""Purposes of random numbers; unpaired.py has other ones."""


class PairedFrames(Dataset):
    """Every pair once per epoch.

    Item i is UnlabelledViews: the poor frame for the teacher, the good one for the student.
    """

    def __init__(
        self,
        *,
        dataset: str,
        poor: str | None = None,
        degradations: Sequence = (),
        size: tuple[int, int],
        scale: tuple[float, float] = (0.5, 1.0),
        seed: int = 0,
    ):
        """List the pairs; no frame is read.

        Args:
            dataset: source of the good frames: name of a dataset, or folder of images.
            poor: source of the poor frames; None makes them of the good ones.
            degradations: augmentations that make a frame poor (lgrseg.data.transforms).
            size: (height, width) to which each part is resized, in pixels.
            scale: smallest and largest share of the frame's area that a part shows, 0 to 1.
            seed: seed of the run.

        Raises:
            ValueError: neither or both of `poor` and `degradations` are given, a source has no
                frame, a frame has no partner, or `scale` is not a range of shares.
        """
        low, high = scale
        if not 0 < low <= high <= 1:
            raise ValueError(f"a share of the frame's area must be 0 to 1, not {low} to {high}")
        if (poor is None) == (not degradations):
            raise ValueError(
                "poor frames are those of the source `poor`, or made by `degradations`: give one "
                f"of them, not {'both' if degradations else 'neither'}"
            )
        self.pairs = paired(poor, dataset) if poor else [(f, f) for f in frames_of(dataset)]
        self.replacing = replacing_of(dataset, [good for _, good in self.pairs])
        self.degradations = list(degradations)
        self.size, self.scale, self.seed = (size[0], size[1]), (low, high), seed

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int):
        return self.replacing.read(
            element_at(len(self), index, self.seed, _ORDER),
            lambda number: self.pair(number, index),
            (self.seed, _OTHERS, index),
        )

    def pair(self, number: int, position: int) -> UnlabelledViews:
        """Pair of this number, with the random part and degradation of a position.

        Raises:
            ValueError: the two frames differ in size.
        """
        poor, good = self.pairs[number]
        rng = np.random.default_rng([self.seed, _AUGMENT, position])
        picture = good.read()
        other = picture if self.degradations else poor.read()
        if other.shape[:2] != picture.shape[:2]:
            sizes = [" x ".join(map(str, frame.shape[:2])) for frame in (other, picture)]
            raise ValueError(
                f"{poor.name} has {sizes[0]} px, and its partner {good.name} {sizes[1]} px: both "
                "must show the same scene at the same size"
            )
        top, left, bottom, right = random_box(picture.shape[:2], self.scale, rng)
        parts = [
            resize_frames([frame[top:bottom, left:right]], self.size) for frame in (other, picture)
        ]
        parts[0] = augmented(parts[0], self.degradations, rng)
        clips = [
            clip_of(part, [frame.index], frame.name, rng)
            for part, frame in zip(parts, (poor, good), strict=True)
        ]
        return UnlabelledViews(teacher=clips[:1], student=clips[1:])


def paired(poor: str, good: str) -> list[tuple[Frame, Frame]]:
    """Match the frames of two sources by name, for images without the ending: a.jpg and a.png.

    Raises:
        ValueError: a frame has no partner, or two images of a folder have one name.
    """
    of_poor, of_good = frames_by_name(poor), frames_by_name(good)
    for one, other, frames, partners in (
        (poor, good, of_poor, of_good),
        (good, poor, of_good, of_poor),
    ):
        if alone := [frame.name for name, frame in frames.items() if name not in partners]:
            raise ValueError(
                f"{len(alone)} of {len(frames)} frames of {one} have no partner of the same name "
                f"in {other}; the first is {alone[0]}: add the partners, or remove these"
            )
    return [(of_poor[name], frame) for name, frame in of_good.items()]


def frames_by_name(source: str) -> dict[Hashable, Frame]:
    """Frames of a source by their name, without the ending of an image, and their index.

    Raises:
        ValueError: the source has no frame, or two images of a folder have one name.
    """
    named: dict[Hashable, Frame] = {}
    is_dataset = source in DatasetCatalog
    for frame in frames_of(source):
        name = frame.name if is_dataset else composed(Path(frame.name).stem)
        if (name, frame.index) in named:
            raise ValueError(f"{source} has two images called {name}: rename one of them")
        named[name, frame.index] = frame
    return named
