"""What a batch's images are known to show, for losses that look at pixels."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lgrseg.layers.clip_batch import crop_to_input, to_device
from lgrseg.structures import ClipTargets


@dataclass
class PixelTruth:
    """The classes of pixels in those of a batch's N images that are annotated."""

    labels: Tensor
    """(A, H, W) int64: 0 background, k + 1 for class k."""
    frames: Tensor
    """(A,) int64: which of the N images these are."""
    num_frames: float | Tensor
    """What sums over annotated images are divided by: A, or its mean over processes."""
    padded_size: tuple[int, int]
    """(height, width) of the images as the backbone saw them, padded at the bottom and right."""

    def crop(self, maps: Tensor) -> Tensor:
        """The annotated images' part of maps, without padding.

        Args:
            maps: (N, C, h, w) over the padded images, at a stride that divides their size.

        Returns:
            (A, C, h', w'), which covers exactly the labels' H x W.
        """
        stride = self.padded_size[1] // maps.shape[-1]
        return crop_to_input(maps, self.labels.shape[-2:], stride=stride)[self.frames]


def pixel_truth(
    targets: list[ClipTargets], *, num_frames: float | Tensor, padded_size: tuple[int, int]
) -> PixelTruth:
    """The truth of a batch of clips, whose frames follow each other as images."""
    maps = []
    for target in targets:
        numbers = to_device(target.labels + 1, target.masks.device)
        values = numbers[:, None, None, None] * target.masks
        empty = target.masks.new_zeros(target.masks.shape[1:], dtype=torch.int64)
        maps.append(values.amax(dim=0) if len(values) else empty)
    annotated = torch.cat([target.annotated for target in targets]).tolist()
    frames = torch.tensor([n for n, known in enumerate(annotated) if known], dtype=torch.long)
    frames = to_device(frames, maps[0].device)
    return PixelTruth(torch.cat(maps)[frames], frames, num_frames, padded_size)
