"""Masked image modelling in the style of USFM; labels are not used.

A part of each image is hidden, and the network predicts it from the rest. A coin decides for each
image whether blocks of pixels or bands of frequencies are hidden (masking.py). The original loss of
USFM's pretraining is unpublished, so results are those of "USFM-style" pretraining, not of USFM.

Letters: B clips, T frames, N = B T images, H and W pixels.
"""

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from lgrseg.layers.clip_batch import ImageNormalizer, clip_generators, stack_clips
from lgrseg.layers.drop_path import draw_drop_paths
from lgrseg.layers.map_size import map_size
from lgrseg.layers.numerics import at_least_float32, divide
from lgrseg.modeling.contracts import Losses
from lgrseg.modeling.foundation.encoder import Encoder
from lgrseg.modeling.pretraining.masking import Masking
from lgrseg.modeling.pretraining.pretraining_model import PretrainingModel, all_clips
from lgrseg.structures import Clip, UnlabelledViews


@dataclass(frozen=True)
class HiddenImages:
    """Normalised images, and what the network sees of them."""

    images: Tensor
    """(N, 3, H, W) normalised images, which the network should predict."""
    visible: Tensor
    """(N, 3, H, W) the images without their hidden part."""
    masks: Tensor
    """(N, H, W) bool: hidden pixels, or removed frequencies in the order of fft2."""
    is_spatial: Tensor
    """(N,) bool: true if blocks of pixels are hidden, false if frequencies are removed."""


class MaskedModel(PretrainingModel):
    """An encoder and a linear head that predict the hidden part of images.

    The head is a 1 x 1 convolution to all pixels of a patch, as in SimMIM. It is not used after
    the pretraining.

    `monitored` has numbers of the last step for each kind of masking that it had. `hidden_*` is the
    share of the pixels or frequencies that is hidden. `relative_*` is the error divided by that of
    the visible image, which has the mean in hidden blocks and 0 at removed frequencies: below 1 the
    network has learned more than that.
    """

    def __init__(
        self,
        *,
        backbone: Encoder,
        spatial: Masking,
        frequency: Masking,
        spatial_share: float = 0.5,
        pixel_mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
        pixel_std: tuple[float, float, float] = (0.229, 0.224, 0.225),
    ):
        """Combine an encoder and two kinds of masking.

        Args:
            backbone: encoder that is trained; its last map is used.
            spatial: masking of pixels, a `SpatialMasking`.
            frequency: masking of frequencies, a `FrequencyMasking`.
            spatial_share: probability that an image is masked by `spatial`, 0 to 1: 1 is spatial
                only, 0 frequency only.
            pixel_mean: mean of each RGB channel (0 to 1), which is subtracted.
            pixel_std: standard deviation of each RGB channel, by which it is divided.

        Raises:
            ValueError: `spatial_share` is not a share.
        """
        super().__init__()
        if not 0 <= spatial_share <= 1:
            raise ValueError(
                f"spatial_share={spatial_share}: it is a probability, 0 (only frequencies are "
                "hidden) to 1 (only blocks of pixels)"
            )
        self.backbone = backbone
        self.spatial, self.frequency, self.spatial_share = spatial, frequency, spatial_share
        stride = backbone.strides[-1]
        self.head = nn.Sequential(
            nn.Conv2d(backbone.channels[-1], 3 * stride**2, kernel_size=1), nn.PixelShuffle(stride)
        )
        self.normalizer = ImageNormalizer(mean=pixel_mean, std=pixel_std, divisor=1)

    def losses_of(self, clips: list[Clip], unlabelled: list[UnlabelledViews]) -> Losses:
        """Return the losses of all frames; both are sums over images, divided by N.

        Args:
            clips: clips of one shape; usually none, as all videos are given without labels.
            unlabelled: unlabelled videos; the first view for the teacher of each is used.

        Raises:
            ValueError: there is no clip.
        """
        clips = all_clips(clips, unlabelled)
        generators = clip_generators(clips)
        hidden = self.hide(clips, generators)
        draw_drop_paths(self.backbone, generators, len(clips[0].frames))
        return self._losses(self.predict(hidden.visible), hidden)

    def hide(self, clips: list[Clip], generators: list[torch.Generator]) -> HiddenImages:
        """Normalise the frames of clips of one shape, and hide a part of each.

        Args:
            clips: B clips of T frames.
            generators: one generator per clip; it decides what is hidden in its frames.
        """
        images = rearrange(self.normalizer(stack_clips(clips)), "b t c h w -> (b t) c h w")
        num_frames = len(images) // len(clips)
        visible, masks, is_spatial = [], [], []
        for number, image in enumerate(images):
            generator = generators[number // num_frames]
            coin = torch.rand((), generator=generator, device=generator.device)
            is_spatial.append(bool(coin < self.spatial_share))
            masking = self.spatial if is_spatial[-1] else self.frequency
            seen, mask = masking.hide(image, generator)
            visible.append(seen)
            masks.append(mask)
        return HiddenImages(
            images,
            torch.stack(visible),
            torch.stack(masks),
            torch.tensor(is_spatial, device=images.device),
        )

    def predict(self, visible: Tensor) -> Tensor:
        """Predict whole normalised images (N, 3, H, W) from their visible parts."""
        height, width = map_size(visible)
        return self.head(self.backbone(visible)[-1])[..., :height, :width]

    def _losses(self, predicted: Tensor, hidden: HiddenImages) -> Losses:
        predicted = at_least_float32(predicted)
        losses, self._monitored = {}, {}
        kinds = (
            ("spatial", self.spatial, hidden.is_spatial),
            ("frequency", self.frequency, ~hidden.is_spatial),
        )
        for name, masking, rows in kinds:
            images, masks = hidden.images[rows], hidden.masks[rows]
            if len(images) == 0:  # torch has no Fourier transform of no image
                losses[f"loss_{name}"] = 0 * predicted.sum()
                continue
            errors = masking.errors(predicted[rows], images, masks).sum()
            unlearned = masking.errors(hidden.visible[rows], images, masks).sum()
            losses[f"loss_{name}"] = errors / len(predicted)
            self._monitored[f"hidden_{name}"] = masks.float().mean()
            self._monitored[f"relative_{name}"] = divide(errors.detach(), unlearned)
        return losses
