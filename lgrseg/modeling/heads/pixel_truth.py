"""Ground truth of the pixels of a batch, for per-pixel losses."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lgrseg.layers.clip_batch import crop_to_input, to_device
from lgrseg.layers.map_size import map_size
from lgrseg.structures import ClipTargets


@dataclass
class PixelTruth:
    """Classes of the pixels of the A annotated images among the N images of a batch."""

    labels: Tensor
    """(A, H, W) int64 label maps: 0 background, k + 1 for class k."""
    frames: Tensor
    """(A,) int64 indices of the annotated images among the N images."""
    num_frames: float | Tensor
    """Divisor of sums over annotated images: A, or its mean over processes."""
    padded_size: tuple[int, int]
    """(height, width) of the backbone's input, with padding at the bottom and right."""

    def crop(self, maps: Tensor) -> Tensor:
        """Select the annotated images of maps, and remove the padding.

        Args:
            maps: (N, C, h, w) maps of the padded images, at a stride that divides their size.

        Returns:
            (A, C, h', w') maps that cover exactly the labels' H x W.
        """
        stride = self.padded_size[1] // maps.shape[-1]
        return crop_to_input(maps, map_size(self.labels), stride=stride)[self.frames]


def pixel_truth(
    targets: Sequence[ClipTargets], *, num_frames: float | Tensor, padded_size: tuple[int, int]
) -> PixelTruth:
    """Make the ground truth of a batch of clips; their frames are the images in order."""
    maps = []
    for target in targets:
        numbers = to_device(target.labels + 1, target.masks.device)
        values = numbers[:, None, None, None] * target.masks
        empty = target.masks.new_zeros(target.masks.shape[1:], dtype=torch.int64)
        maps.append(values.amax(dim=0) if len(values) else empty)
    annotated = torch.cat([target.annotated for target in targets]).tolist()
    frames = torch.tensor(
        [n for n, is_annotated in enumerate(annotated) if is_annotated], dtype=torch.long
    )
    frames = to_device(frames, maps[0].device)
    return PixelTruth(torch.cat(maps)[frames], frames, num_frames, padded_size)
