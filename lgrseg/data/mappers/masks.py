"""Mapper from a record to a clip that shows its masks, for models of masks alone."""

from collections.abc import Sequence

import numpy as np
import torch

from lgrseg.data.mappers.clips import ClipMapper, clip_targets, geometry_of, to_tensor
from lgrseg.data.record import VideoRecord
from lgrseg.data.store import read_masks
from lgrseg.data.transforms.resizing import resize_image, resize_labels
from lgrseg.structures import Clip, ClipTargets


class MaskMapper(ClipMapper):
    """Makes clips of the supervised frames only, with class shares instead of grey values.

    Frames of a clip are (T, K + 1, H, W): the share of a pixel that each class covers, 0 to 1,
    background first.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        frame_sampler,
        input_size: tuple[int, int],
        augmentations: Sequence = (),
    ):
        """Like ClipMapper.

        Args:
            num_classes: number K of classes.
            frame_sampler: sampler of frames; those that are not supervised are left out.
            input_size: (height, width) of the class shares.
            augmentations: transforms that move pixels; those of grey values make no sense here.
        """
        super().__init__(
            frame_sampler=frame_sampler, input_size=input_size, augmentations=augmentations
        )
        self.num_classes = num_classes

    def __call__(
        self, record: VideoRecord, anchor: int, rng: np.random.Generator, seen: int = 0
    ) -> tuple[Clip, ClipTargets]:
        """Make the class shares of the supervised frames, and their targets."""
        sampled, positions = self.choose(record, anchor, rng, seen)
        indices = [sampled[position] for position in positions]
        stored = read_masks(record)
        top, left, bottom, right = record.crop_box
        crops = [stored[index][top:bottom, left:right] for index in indices]
        masks = np.stack([resize_labels(crop, self.input_size) for crop in crops])
        # Each class is one grey frame for the augmentations, which move all frames equally.
        shares = np.concatenate([self._shares(crop) for crop in crops])[..., None]
        for augment in self.augmentations:
            shares, masks = augment(shares, masks, rng)
        shares = shares.reshape(len(crops), self.num_classes, *self.input_size).clip(0, 1)
        background = (1 - shares.sum(axis=1, keepdims=True)).clip(0, 1)
        frames = np.concatenate([background, shares], axis=1).transpose(0, 2, 3, 1)
        clip = Clip(
            frames=to_tensor(frames),
            frame_indices=torch.tensor(indices),
            video_id=record.video_id,
            geometry=None if self.augmentations else geometry_of(record, self.input_size),
        )
        return clip, clip_targets(masks, list(range(len(indices))), len(indices))

    def _shares(self, labels: np.ndarray) -> np.ndarray:
        """(K, height, width) float32 shares of the classes of a label map (H, W)."""
        classes = range(1, self.num_classes + 1)
        return np.stack(
            [resize_image((labels == k).astype(np.float32), self.input_size) for k in classes]
        )
