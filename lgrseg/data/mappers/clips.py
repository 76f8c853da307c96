"""Mappers from a record to a clip and its targets."""

from collections.abc import Sequence

import numpy as np
import torch

from lgrseg.data.frame_sampling import AroundAnchor
from lgrseg.data.record import VideoRecord
from lgrseg.data.store import open_frames, read_masks
from lgrseg.data.transforms.resizing import resize_image, resize_labels
from lgrseg.structures import Clip, ClipTargets, Geometry
from lgrseg.structures.box_prompts import BoxPrompt
from lgrseg.structures.boxes import boxes_of_masks


class FrameMapper:
    """Base class of mappers: reads, resizes and augments frames, and converts them to tensors."""

    def __init__(self, *, frame_sampler, input_size: tuple[int, int], augmentations: Sequence = ()):
        """`input_size` is (height, width); frames are resized to it without keeping the aspect."""
        self.frame_sampler = frame_sampler
        self.input_size = (input_size[0], input_size[1])
        self.augmentations = list(augmentations)

    def _clip(
        self, record: VideoRecord, indices: list[int], masks: np.ndarray, rng: np.random.Generator
    ) -> tuple[Clip, np.ndarray]:
        """Resize frames, and augment them together with masks (M, *input_size); M may be 0."""
        video = open_frames(record)
        frames = resize_frames([video[index] for index in indices], self.input_size)
        for augment in self.augmentations:
            frames, masks = augment(frames, masks, rng)
        clip = Clip(
            frames=to_tensor(frames),
            frame_indices=torch.tensor(indices),
            video_id=record.video_id,
            geometry=None if self.augmentations else geometry_of(record, self.input_size),
        )
        return clip, masks


class ClipMapper(FrameMapper):
    """Samples frames of a video with masks, and makes a clip of them and its targets."""

    def __call__(
        self, record: VideoRecord, anchor: int, rng: np.random.Generator, seen: int = 0
    ) -> tuple[Clip, ClipTargets]:
        """Make the clip around frame `anchor` of a prepared video, and its targets.

        `seen` is the number of clips that the run has sampled so far.
        """
        indices, positions = self.choose(record, anchor, rng, seen)
        stored = read_masks(record)
        masks = np.zeros((len(positions), *self.input_size), dtype=np.uint8)
        top, left, bottom, right = record.crop_box
        for row, position in enumerate(positions):
            crop = stored[indices[position]][top:bottom, left:right]
            masks[row] = resize_labels(crop, self.input_size)
        clip, masks = self._clip(record, indices, masks, rng)
        return clip, clip_targets(masks, positions, len(indices))

    def samples(self, records: list[VideoRecord]) -> list[tuple[VideoRecord, int]]:
        """List (record, anchor) of every clip of these videos.

        Raises:
            ValueError: a video has no annotated frame.
        """
        without_masks = [record.video_id for record in records if not record.annotated_frames]
        if without_masks:
            shown = ", ".join(without_masks[:5]) + (", ..." if len(without_masks) > 5 else "")
            raise ValueError(
                f"{len(without_masks)} videos of a supervised dataset have no annotated frame: "
                f"{shown}; remove them from its list, or annotate them"
            )
        return [
            (record, anchor)
            for record in records
            for anchor in self.frame_sampler.anchors(record.annotated_frames, record.num_frames)
        ]

    def choose(
        self, record: VideoRecord, anchor: int, rng: np.random.Generator, seen: int
    ) -> tuple[list[int], list[int]]:
        """Choose the frames of the clip, and the supervised positions in it."""
        indices = self.frame_sampler(anchor, record.num_frames, rng, seen)
        return indices, self.frame_sampler.supervised(indices, anchor, record.annotated_frames)


class AnnotatedMapper(ClipMapper):
    """Makes clips of annotated frames only: the anchor and the nearest ones, all supervised.

    For training of trackers: frames between annotated ones would take time without supervision.
    """

    def __init__(
        self, *, num_frames: int, input_size: tuple[int, int], augmentations: Sequence = ()
    ):
        """`num_frames` is the length of a clip; if too few are annotated, the last is repeated."""
        sampler = AroundAnchor(num_frames=num_frames)
        super().__init__(frame_sampler=sampler, input_size=input_size, augmentations=augmentations)

    def choose(
        self, record: VideoRecord, anchor: int, rng: np.random.Generator, seen: int
    ) -> tuple[list[int], list[int]]:
        """Choose the nearest annotated frames in order, and all of their positions."""
        annotated, num_frames = record.annotated_frames, self.frame_sampler.num_frames
        nearest = sorted(sorted(annotated, key=lambda index: abs(index - anchor))[:num_frames])
        indices = nearest + [nearest[-1]] * (num_frames - len(nearest))
        return indices, list(range(len(nearest)))


class PromptedMapper(ClipMapper):
    """Makes clips with boxes of the ground truth, for models with box prompts.

    Every class gets a box on the first supervised frame that shows it. With `every`, it gets
    another box on each supervised frame that is at least `every` frames after its last box.
    """

    def __init__(
        self,
        *,
        frame_sampler,
        input_size: tuple[int, int],
        augmentations: Sequence = (),
        every: int = 0,
    ):
        """Like ClipMapper; `every` 0 gives one box per class."""
        super().__init__(
            frame_sampler=frame_sampler, input_size=input_size, augmentations=augmentations
        )
        self.every = every

    def __call__(
        self, record: VideoRecord, anchor: int, rng: np.random.Generator, seen: int = 0
    ) -> tuple[Clip, ClipTargets]:
        """Make a clip with `boxes`, and its targets."""
        clip, targets = super().__call__(record, anchor, rng, seen)
        boxes, present = boxes_of_masks(targets.masks)
        clip.boxes = {}
        for row, label in enumerate(targets.labels.tolist()):
            last = None
            for position in targets.annotated_frames:
                frame = int(clip.frame_indices[position])
                due = last is None or (self.every and frame - last >= self.every)
                if present[row, position] and due:
                    clip.boxes.setdefault(position, {})[label] = boxes[row, position]
                    last = frame
        return clip, targets

    def prompts(self, record: VideoRecord) -> list[BoxPrompt]:
        """The same boxes for a whole video, in pixels of the original.

        As in a clip, only the part of a structure inside the crop counts.
        """
        prompts: list[BoxPrompt] = []
        last: dict[int, int] = {}
        top, left, bottom, right = record.crop_box
        for frame, mask in sorted(read_masks(record).items()):
            inside = mask[top:bottom, left:right]
            for value in np.unique(inside[inside > 0]).tolist():
                if value in last and not (self.every and frame - last[value] >= self.every):
                    continue
                rows, columns = np.nonzero(inside == value)
                low = left + int(columns.min()), top + int(rows.min())
                high = left + int(columns.max()) + 1, top + int(rows.max()) + 1
                prompts.append(BoxPrompt(frame, (*low, *high), value - 1))
                last[value] = frame
        return prompts


def geometry_of(record: VideoRecord, input_size: tuple[int, int]) -> Geometry:
    """Position of a prepared video's clips in the original frame."""
    return Geometry(
        original_size=record.original_size,
        crop_box=record.crop_box,
        input_size=input_size,
        spacing_mm=record.spacing_mm,
    )


def resize_frames(frames: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Resize frames (H, W) or (H, W, 3) uint8 to (T, height, width, C) float32, 0 to 1."""
    resized = [resize_image(frame, size) for frame in frames]
    resized = [frame if frame.ndim == 3 else frame[..., None] for frame in resized]
    return np.stack(resized).astype(np.float32) / 255


def to_tensor(frames: np.ndarray) -> torch.Tensor:
    """Convert (T, H, W, C) to a tensor (T, C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))


def clip_targets(masks: np.ndarray, positions: list[int], num_frames: int) -> ClipTargets:
    """Make targets from label maps.

    Args:
        masks: (N, H, W) uint8 label maps, one per position; 0 background, k + 1 for class k.
        positions: indices in the clip of the frames with label maps.
        num_frames: number of frames of the clip.
    """
    annotated = torch.zeros(num_frames, dtype=torch.bool)
    annotated[positions] = True
    values = [int(value) for value in np.unique(masks) if value > 0]
    objects = torch.zeros(len(values), num_frames, *masks.shape[1:], dtype=torch.bool)
    labels = torch.from_numpy(masks)
    for row, value in enumerate(values):
        objects[row, positions] = labels == value
    return ClipTargets(annotated, torch.tensor(values, dtype=torch.int64) - 1, objects)
