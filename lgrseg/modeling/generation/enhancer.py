"""Enhancement of images, learned from pairs of a poor and a good image of one scene.

    enhanced = poor + detail(poor, generator(poor));  loss = mean |enhanced - good| + w (1 - SSIM)

The networks predict what has to be added (residual learning: Zhang et al., "Beyond a Gaussian
Denoiser", IEEE TIP 2017, section III). The generator sees a large surrounding, but its inner maps
have stride 4, and it has no connection past them. So it cannot predict the noise of single pixels;
`detail`, four convolutions at full resolution, can. The loss is that of Zhao et al., "Loss
Functions for Image Restoration with Neural Networks", IEEE TCI 2017, with SSIM at one scale and
equal weights.

Letters: N images, C channels, H and W pixels.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lgrseg.layers.image_similarity import psnr, ssim
from lgrseg.layers.map_size import map_size
from lgrseg.layers.numerics import at_least_float32
from lgrseg.modeling.contracts import LabelFreeModel, Losses
from lgrseg.modeling.generation.cycle_gan import as_input, as_shown
from lgrseg.modeling.generation.networks import STRIDE, ResNetGenerator
from lgrseg.structures import Clip, UnlabelledViews


class Enhancer(LabelFreeModel):
    """A generator that is trained on pairs.

    `monitored` has the mean PSNR in dB and SSIM of the last step, before (`..._input`) and after;
    `pictures` its first image: poor, enhanced, good.
    """

    why_no_masks = "an enhancer predicts no masks: tools/enhance_images.py enhances images"

    def __init__(
        self,
        *,
        generator: ResNetGenerator,
        channels: int = 1,
        width: int = 16,
        similarity_weight: float = 1.0,
    ):
        """Wrap a generator.

        Args:
            generator: network from images to images of the same shape.
            channels: number C of channels of the images, 1 (grey) or 3 (RGB).
            width: number of channels of `detail`.
            similarity_weight: weight w of 1 - SSIM.

        Raises:
            ValueError: the weight is below 0.
        """
        super().__init__()
        if similarity_weight < 0:
            raise ValueError(f"similarity_weight={similarity_weight}: a weight is 0 or above")
        self.generator, self.channels = generator, channels
        self.similarity_weight = similarity_weight
        last = nn.Conv2d(width, channels, 3, padding=1)
        for weights in last.parameters():  # so that an untrained model changes nothing
            nn.init.zeros_(weights)
        widths = [2 * channels, width, width, width]
        convolutions = [nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths)]
        layers = [layer for each in convolutions for layer in (each, nn.ReLU())]
        self.detail = nn.Sequential(*layers, last)

    def losses_of(self, clips: list[Clip], unlabelled: list[UnlabelledViews]) -> Losses:
        """Return the losses.

        Args:
            clips: not used; there must be none.
            unlabelled: poor frames as views for the teacher, good ones for the student.

        Raises:
            ValueError: there are no pairs.
        """
        if clips or not unlabelled:
            raise ValueError(
                "an enhancer trains on pairs of frames without labels: use "
                "dataloader.train=L(build_paired_loader)(...)"
            )
        poor, good = (
            as_input(torch.cat([clip.frames for clip in of_pair]), self.channels)
            for of_pair in (
                [clip for views in unlabelled for clip in views.teacher],
                [clip for views in unlabelled for clip in views.student],
            )
        )
        enhanced = self._changed(poor)
        similarity = ssim(as_shown(enhanced), as_shown(good))
        self._observe(poor, enhanced.detach(), good)
        losses = {"loss_l1": F.l1_loss(as_shown(enhanced), as_shown(good))}
        if self.similarity_weight:
            losses["loss_ssim"] = self.similarity_weight * (1 - similarity.mean())
        return losses

    @torch.no_grad()
    def enhanced(self, frames: Tensor) -> Tensor:
        """Enhance frames (N, C, H, W), 0 to 1, of any C of 1 and 3 and of any size.

        Returns:
            (N, channels, H, W) frames, 0 to 1.
        """
        height, width = map_size(frames)
        padding = (0, -width % STRIDE, 0, -height % STRIDE)
        poor = F.pad(as_input(frames, self.channels), padding, mode="replicate")
        return as_shown(self._changed(poor)[..., :height, :width]).clamp(0, 1)

    def _changed(self, poor: Tensor) -> Tensor:
        return at_least_float32(poor + self.detail(torch.cat([poor, self.generator(poor)], dim=1)))

    def _observe(self, poor: Tensor, enhanced: Tensor, good: Tensor) -> None:
        pictures = [as_shown(images.float()).clamp(0, 1) for images in (poor, enhanced, good)]
        for ending, images in (("_input", pictures[0]), ("", pictures[1])):
            self._monitored[f"psnr{ending}"] = psnr(images, pictures[2]).mean()
            self._monitored[f"ssim{ending}"] = ssim(images, pictures[2]).mean()
        row = torch.cat([images[0] for images in pictures], dim=-1)
        self._pictures = {"enhanced": row.expand(3, -1, -1)}
