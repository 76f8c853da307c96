"""Scores of enhanced images against the good images of the same scenes."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from lgrseg.data.paired import PairedFrames
from lgrseg.layers.image_similarity import LARGEST_PSNR, psnr, ssim


class PairedImages:
    """Fixed pairs of images; a call scores a function that enhances the poor ones.

    With `degradations`, the poor image of a pair is always the same.
    """

    SHOWN = 4
    """Number of pairs in the picture."""

    def __init__(
        self,
        *,
        dataset: str,
        poor: str | None = None,
        degradations: Sequence = (),
        size: tuple[int, int],
        num_images: int = 32,
    ):
        """Choose pairs, evenly spread over the source.

        Args:
            dataset: source of the good images, see `PairedFrames`.
            poor: source of the poor images, or None.
            degradations: augmentations that make an image poor.
            size: (height, width) to which images are resized, in pixels.
            num_images: largest number of pairs.

        Raises:
            ValueError: see `PairedFrames`; or there is no pair.
        """
        if num_images < 1:
            raise ValueError(f"num_images={num_images}: at least one pair is needed")
        self.frames = PairedFrames(
            dataset=dataset, poor=poor, degradations=degradations, size=size, scale=(1.0, 1.0)
        )
        number = min(num_images, len(self.frames))
        self.numbers = [k * len(self.frames) // number for k in range(number)]

    def __call__(self, enhance: Callable[[Tensor], Tensor]) -> tuple[dict[str, float], np.ndarray]:
        """Mean scores, and a picture of some pairs.

        Args:
            enhance: function of images (1, C, H, W), 0 to 1, to the same or (1, 1, H, W).

        Returns:
            PSNR in dB and SSIM of the enhanced and of the poor (`..._input`) images; and rows of
            poor, enhanced and good images, (H', W', 3) uint8.
        """
        rows: dict[str, list[float]] = {}
        shown: list[Tensor] = []
        for number in self.numbers:
            views = self.frames.pair(number, number)
            better = enhance(views.teacher[0].frames).cpu()
            poor, good = (
                clip.frames if len(better[0]) == 3 else clip.frames.mean(dim=1, keepdim=True)
                for clip in (views.teacher[0], views.student[0])
            )
            good = good.expand_as(better)
            for ending, images in (("", better), ("_input", poor.expand_as(better))):
                rows.setdefault(f"psnr{ending}", []).append(
                    float(psnr(images, good).clamp(max=LARGEST_PSNR))
                )
                rows.setdefault(f"ssim{ending}", []).append(float(ssim(images, good)))
            if len(shown) < self.SHOWN:
                shown.append(torch.cat([poor.expand_as(better), better, good], dim=-1)[0])
        picture = torch.cat(shown, dim=-2).expand(3, -1, -1).permute(1, 2, 0)
        levels = (255 * picture).round().byte().numpy()
        return {name: float(np.mean(values)) for name, values in rows.items()}, levels
