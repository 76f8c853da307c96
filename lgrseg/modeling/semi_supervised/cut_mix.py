"""Cut-mix of ultrasound clips: a box of one clip is pasted into another, within both fans.

Sources: Yun et al., "CutMix", ICCV 2019; for pseudo-labels, French et al., "Semi-supervised
semantic segmentation needs strong, varied perturbations", BMVC 2020. Here a box lies in the fan,
because outside there is nothing to learn, and a pasted corner of a fan would be an edge that no
scan has.

Letters: B clips, K classes, T frames, C channels; h w maps, H W pixels.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lgrseg.data.mappers.views import random_box
from lgrseg.layers.map_size import map_size
from lgrseg.structures import Clip

_BOX = 0  # purpose of the random numbers, besides those of the model


class CutMix:
    """Pastes into each clip a random box of the clip before it; the first clip takes the last."""

    def __init__(self, *, area: tuple[float, float] = (0.1, 0.5), prob: float = 0.5):
        """`area` is the range of the box's share of the fan's bounding box.

        Each clip is mixed with probability `prob`.
        """
        self.area, self.prob = (area[0], area[1]), prob

    def __call__(self, clips: Sequence[Clip], maps: Tensor) -> tuple[list[Clip], Tensor]:
        """Mix B clips of one shape, and their maps (B, K, T, h, w) in the same way.

        The random numbers are functions of the clips' seeds. One clip alone stays as it is.
        """
        size = map_size(maps)
        fans = torch.stack([fan_of(clip.frames, size) for clip in clips])
        others = fans.roll(1, dims=0)
        pasted = torch.stack(
            [
                fan & other & self._box(fan, clip.seed)
                for clip, fan, other in zip(clips, fans, others, strict=True)
            ]
        )  # B h w
        pixels = F.interpolate(pasted[:, None].float(), map_size(clips[0].frames)).bool()  # B 1 H W
        mixed = [
            replace(clip, frames=torch.where(where, source.frames, clip.frames), key=None)
            for clip, source, where in zip(clips, [clips[-1], *clips[:-1]], pixels, strict=True)
        ]
        return mixed, torch.where(pasted[:, None, None], maps.roll(1, dims=0), maps)

    def _box(self, fan: Tensor, seed: int | None) -> Tensor:
        """(h, w) bool: a random box in the bounding box of the fan; empty without a fan."""
        rng = np.random.default_rng(None if seed is None else [seed, _BOX])
        box = torch.zeros_like(fan)
        if rng.random() >= self.prob or not fan.any():
            return box
        rows, columns = (fan.any(dim=dim).nonzero()[:, 0].tolist() for dim in (1, 0))
        height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
        top, left, bottom, right = random_box((height, width), self.area, rng)
        box[rows[0] + top : rows[0] + bottom, columns[0] + left : columns[0] + right] = True
        return box


def fan_of(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """The fan of an ultrasound clip at a smaller size, from its pixels that are not black.

    Black pixels between others of their row, such as blood in a chamber, belong to the fan.

    Args:
        frames: (T, C, H, W) frames, 0 to 1.
        size: (h, w) of the result.

    Returns:
        (h, w) bool.
    """
    lit = (F.adaptive_max_pool2d(frames.amax(dim=(0, 1))[None], size)[0] > 0).int()
    from_left = lit.cummax(dim=1).values
    from_right = lit.flip(1).cummax(dim=1).values.flip(1)
    return (from_left * from_right).bool()
