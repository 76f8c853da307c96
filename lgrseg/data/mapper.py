"""From a record to a clip and its targets."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch

from lgrseg.data.store import open_frames, read_masks
from lgrseg.structures import Clip, ClipTargets, Geometry


class ClipMapper:
    """Choose frames, read them, resize, augment, and turn them into tensors."""

    def __init__(self, *, frame_sampler, input_size: tuple[int, int], augmentations: Sequence = ()):
        """`input_size` is (height, width); the crop is stretched to it."""
        self.frame_sampler = frame_sampler
        self.input_size = tuple(input_size)
        self.augmentations = list(augmentations)

    def __call__(
        self, record: dict, anchor: int, rng: np.random.Generator, seen: int = 0
    ) -> tuple[Clip, ClipTargets]:
        """One sample: the clip around frame `anchor` of a prepared video.

        `seen` is the number of clips that the run has drawn before.
        """
        length, annotated = record["num_frames"], record["annotated_frames"]
        indices = self.frame_sampler(anchor, length, rng, seen)
        positions = self.frame_sampler.supervised(indices, anchor, annotated)
        video, stored = open_frames(record), read_masks(record)
        frames = resize_frames([video[index] for index in indices], self.input_size)
        masks = np.zeros((len(positions), *self.input_size), dtype=np.uint8)
        top, left, bottom, right = record["crop_box"]
        for row, position in enumerate(positions):
            crop = stored[indices[position]][top:bottom, left:right]
            masks[row] = cv2.resize(crop, self.input_size[::-1], interpolation=cv2.INTER_NEAREST)
        for augment in self.augmentations:
            frames, masks = augment(frames, masks, rng)
        clip = Clip(
            frames=to_tensor(frames),
            frame_indices=torch.tensor(indices),
            video_id=record["video_id"],
            geometry=None if self.augmentations else geometry_of(record, self.input_size),
        )
        return clip, clip_targets(masks, positions, len(indices))


def geometry_of(record: dict, input_size: tuple[int, int]) -> Geometry:
    """Where a clip of a prepared video lies in the original."""
    spacing = record["spacing_mm"]
    return Geometry(
        original_size=tuple(record["original_size"]),
        crop_box=tuple(record["crop_box"]),
        input_size=input_size,
        spacing_mm=tuple(spacing) if spacing else None,
    )


def resize_frames(frames: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Frames (H, W) or (H, W, 3) uint8 -> (T, height, width, C) float32, 0 to 1."""
    resized = []
    for frame in frames:
        smaller = frame.shape[0] > size[0] or frame.shape[1] > size[1]
        method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        frame = cv2.resize(np.ascontiguousarray(frame), size[::-1], interpolation=method)
        resized.append(frame if frame.ndim == 3 else frame[..., None])
    return np.stack(resized).astype(np.float32) / 255


def to_tensor(frames: np.ndarray) -> torch.Tensor:
    """(T, H, W, C) -> (T, C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))


def clip_targets(masks: np.ndarray, positions: list[int], num_frames: int) -> ClipTargets:
    """Targets from label maps.

    Args:
        masks: (N, H, W) uint8, 0 background and k + 1 for class k, one for every position.
        positions: which frames of the clip they belong to.
        num_frames: of the clip.
    """
    annotated = torch.zeros(num_frames, dtype=torch.bool)
    annotated[positions] = True
    values = [int(value) for value in np.unique(masks) if value > 0]
    objects = torch.zeros(len(values), num_frames, *masks.shape[1:], dtype=torch.bool)
    labels = torch.from_numpy(masks)
    for row, value in enumerate(values):
        objects[row, positions] = labels == value
    return ClipTargets(annotated, torch.tensor(values, dtype=torch.int64) - 1, objects)
