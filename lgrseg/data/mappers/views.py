"""Mappers from an unlabelled video to views for a teacher and its student.

A mapper is called with a record, an anchor frame and a random generator; it returns
UnlabelledViews.
"""

from collections.abc import Sequence

import numpy as np
import torch

from lgrseg.data.mappers.clips import resize_frames, to_tensor
from lgrseg.data.record import VideoRecord
from lgrseg.data.store import open_frames
from lgrseg.structures import Clip, UnlabelledViews


class LocalGlobalMapper:
    """Makes global views (long in time, large in space) and local views (short, small).

    Source of the idea: Caron et al., "DINO", ICCV 2021, section 3.1 (multi-crop), also in time.
    Every view has its own crop, augmentation and position in time. Local views are made around
    frames of the global ones.
    """

    def __init__(
        self,
        *,
        global_sampler,
        local_sampler,
        global_size: tuple[int, int],
        local_size: tuple[int, int],
        num_global: int = 2,
        num_local: int = 9,
        global_scale: tuple[float, float] = (0.5, 1.0),
        local_scale: tuple[float, float] = (0.1, 0.4),
        augmentations: Sequence = (),
    ):
        """Sizes are (height, width) to which crops are resized, multiples of 32.

        Args:
            global_sampler: frame sampler of global views.
            local_sampler: frame sampler of local views.
            global_size: (height, width) of a global view in pixels.
            local_size: (height, width) of a local view in pixels.
            num_global: number of views of the teacher.
            num_local: number of views of the student.
            global_scale: smallest and largest share of the frame's area that a global view shows.
            local_scale: smallest and largest share for a local view.
            augmentations: augmentations of each view.

        Raises:
            ValueError: a number of views is below 1, or a share is outside 0 to 1.
        """
        if num_global < 1 or num_local < 1:
            raise ValueError(
                f"num_global={num_global}, num_local={num_local}: a teacher and a student each "
                "need at least one view"
            )
        for low, high in (global_scale, local_scale):
            if not 0 < low <= high <= 1:
                raise ValueError(f"a share of the frame's area must be 0 to 1, not {low} to {high}")
        self.global_sampler, self.local_sampler = global_sampler, local_sampler
        self.global_size, self.local_size = tuple(global_size), tuple(local_size)
        self.num_global, self.num_local = num_global, num_local
        self.global_scale, self.local_scale = tuple(global_scale), tuple(local_scale)
        self.augmentations = list(augmentations)

    def __call__(
        self, record: VideoRecord, anchor: int, rng: np.random.Generator, seen: int = 0
    ) -> UnlabelledViews:
        """Make all views of a video; `seen` is the number of videos sampled so far."""
        video = open_frames(record)

        def view(sampler, around: int, size, scale) -> Clip:
            indices = sampler(around, len(video), rng, seen)
            box = random_box(video.shape[1:3], scale, rng)
            return self._clip(video, indices, box, size, record.video_id, rng)

        global_views = [
            view(self.global_sampler, anchor, self.global_size, self.global_scale)
            for _ in range(self.num_global)
        ]
        global_frames = np.unique(torch.cat([clip.frame_indices for clip in global_views]).numpy())
        local_views = [
            view(self.local_sampler, int(around), self.local_size, self.local_scale)
            for around in rng.choice(global_frames, self.num_local)
        ]
        return UnlabelledViews(teacher=global_views, student=local_views)

    def views_of(
        self, frame: np.ndarray, index: int, video_id: str, rng: np.random.Generator
    ) -> UnlabelledViews:
        """Make all views of one frame; the arguments are those of `RandomFrameMapper.views_of`."""

        def view(size, scale) -> Clip:
            box = random_box(frame.shape[:2], scale, rng)
            return self._clip({index: frame}, [index], box, size, video_id, rng)

        return UnlabelledViews(
            teacher=[view(self.global_size, self.global_scale) for _ in range(self.num_global)],
            student=[view(self.local_size, self.local_scale) for _ in range(self.num_local)],
        )

    def _clip(self, video, indices, box, size, video_id: str, rng) -> Clip:
        top, left, bottom, right = box
        frames = resize_frames([video[index][top:bottom, left:right] for index in indices], size)
        frames = augmented(frames, self.augmentations, rng)
        return clip_of(frames, indices, video_id, rng)


class WeakStrongMapper:
    """Makes a clip for the teacher, and the same with changed grey levels for the student.

    All have the same geometry, so that masks can be compared. The student has two views, as in
    Yang et al., "Revisiting Weak-to-Strong Consistency" (UniMatch), CVPR 2023, section 3.3.
    """

    def __init__(
        self,
        *,
        frame_sampler,
        input_size: tuple[int, int],
        shared: Sequence = (),
        strong: Sequence = (),
        num_strong: int = 2,
    ):
        """Set up the views.

        Args:
            frame_sampler: frame sampler of the clip.
            input_size: (height, width) of all views in pixels.
            shared: augmentations of all views, equal for all.
            strong: augmentations of the student's views, different for each; none moves pixels.
            num_strong: number of views of the student.

        Raises:
            ValueError: `num_strong` is below 1.
        """
        if num_strong < 1:
            raise ValueError(f"num_strong={num_strong}: the student needs at least one view")
        self.num_strong = num_strong
        self.frame_sampler = frame_sampler
        self.input_size = (input_size[0], input_size[1])
        self.shared, self.strong = list(shared), list(strong)

    def __call__(
        self, record: VideoRecord, anchor: int, rng: np.random.Generator, seen: int = 0
    ) -> UnlabelledViews:
        """Make the views of the clip around frame `anchor`."""
        video, video_id = open_frames(record), record.video_id
        indices = self.frame_sampler(anchor, len(video), rng, seen)
        frames = resize_frames([video[index] for index in indices], self.input_size)
        weak = augmented(frames, self.shared, rng)
        strong = [augmented(weak, self.strong, rng) for _ in range(self.num_strong)]
        return UnlabelledViews(
            teacher=[clip_of(weak, indices, video_id, rng)],
            student=[clip_of(frames, indices, video_id, rng) for frames in strong],
        )


class RandomFrameMapper:
    """Makes views of one frame: random parts of it, for pretraining without a student."""

    def __init__(
        self,
        *,
        size: tuple[int, int],
        scale: tuple[float, float] = (0.67, 1.0),
        augmentations: Sequence = (),
        num_views: int = 1,
    ):
        """Set up the views; the default scale is that of SimMIM (Xie et al., CVPR 2022).

        Args:
            size: (height, width) to which each part is resized, in pixels.
            scale: smallest and largest share of the frame's area that a part shows, 0 to 1.
            augmentations: augmentations of each resized part.
            num_views: number of views, each with its own part and augmentation.

        Raises:
            ValueError: `scale` is not a range of shares, or `num_views` is below 1.
        """
        if num_views < 1:
            raise ValueError(f"num_views={num_views}: at least one part of the frame is needed")
        low, high = scale
        if not 0 < low <= high <= 1:
            raise ValueError(f"a share of the frame's area must be 0 to 1, not {low} to {high}")
        self.size, self.scale = (size[0], size[1]), (low, high)
        self.augmentations, self.num_views = list(augmentations), num_views

    def __call__(
        self, record: VideoRecord, anchor: int, rng: np.random.Generator, seen: int = 0
    ) -> UnlabelledViews:
        """Make clips of frame `anchor`, as views for the teacher; there is no student."""
        return self.views_of(open_frames(record)[anchor], anchor, record.video_id, rng)

    def views_of(
        self, frame: np.ndarray, index: int, video_id: str, rng: np.random.Generator
    ) -> UnlabelledViews:
        """Make the same of a frame that was read already.

        Args:
            frame: (H, W) or (H, W, 3) uint8.
            index: index of the frame in its video.
            video_id: name of the video.
            rng: generator of the parts and augmentations.
        """

        def view() -> Clip:
            top, left, bottom, right = random_box(frame.shape[:2], self.scale, rng)
            frames = resize_frames([frame[top:bottom, left:right]], self.size)
            frames = augmented(frames, self.augmentations, rng)
            return clip_of(frames, [index], video_id, rng)

        return UnlabelledViews(teacher=[view() for _ in range(self.num_views)], student=[])


def augmented(frames: np.ndarray, augmentations: Sequence, rng) -> np.ndarray:
    """Apply all augmentations to frames (T, H, W, C) without masks."""
    masks = np.zeros((0, *frames.shape[1:3]), np.uint8)
    for augment in augmentations:
        frames, masks = augment(frames, masks, rng)
    return frames


def clip_of(frames: np.ndarray, indices: list[int], video_id: str, rng) -> Clip:
    """Make a clip of augmented frames, with a seed for the model's random numbers."""
    seed = int(rng.integers(2**63))
    return Clip(to_tensor(frames), torch.tensor(indices), video_id, seed=seed)


def random_box(
    size: tuple[int, int], scale: tuple[float, float], rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Draw a random part (top, left, bottom, right) of a frame.

    Its share of the area is in the range `scale`. Its height is 3/4 to 4/3 of the width, relative
    to the frame, if the frame is large enough.
    """
    share = rng.uniform(*scale)
    stretch = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)) / 2)
    sides = np.minimum(np.sqrt(share) * np.array([stretch, 1 / stretch]), 1)
    height, width = np.maximum(1, np.round(sides * size)).astype(int).tolist()
    top, left = rng.integers(size[0] - height + 1), rng.integers(size[1] - width + 1)
    return int(top), int(left), int(top) + height, int(left) + width
