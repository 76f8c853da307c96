"""Per-frame segmentation models: a backbone and a head that classify every pixel.

`PerPixelSegmenter` takes the same clips and targets as LGRNet, but processes every frame
separately. The U-Net baseline is here; heads are in heads/.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from lgrseg.comm.processes import mean_over_processes
from lgrseg.layers.channel_dropout import draw_channel_dropout
from lgrseg.layers.clip_batch import (
    ImageNormalizer,
    clip_generators,
    crop_to_input,
    stack_clips,
)
from lgrseg.layers.drop_path import draw_drop_paths
from lgrseg.layers.map_size import map_size
from lgrseg.layers.numerics import at_least_float32, divide, soft_dice
from lgrseg.modeling.agreement import check_channels
from lgrseg.modeling.contracts import ClipModel, HeadOfKnownMaps, HeadWithLosses
from lgrseg.modeling.fitting import fitted
from lgrseg.modeling.heads import FPNHead, PixelHead  # noqa: F401  saved configs name them here
from lgrseg.modeling.heads.pixel_truth import PixelTruth, pixel_truth
from lgrseg.structures import Clip, ClipPrediction, ClipTargets


class PerPixelSegmenter(ClipModel):
    """A backbone and a head that compute a score per class for each pixel.

    It is trained by weighted cross-entropy and Dice, or by the head's method `losses`.
    """

    num_classes: int

    def __init__(
        self,
        *,
        backbone: nn.Module,
        head: nn.Module | Callable[..., nn.Module],
        num_classes: int,
        ce_weight: float = 1.0,
        dice_weight: float = 1.0,
        pixel_mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
        pixel_std: tuple[float, float, float] = (0.229, 0.224, 0.225),
    ):
        """Combine a backbone and a head.

        Args:
            backbone: module from images (N, 3, H, W) to maps by name.
            head: module from maps to scores (N, K + 1, h, w); index 0 is the background. Its
                `in_channels` (channels by name of map), if any, must match the backbone's. Or a
                function that makes it for the `in_channels` of all maps of the backbone.
            num_classes: number K of classes.
            ce_weight: weight of the cross-entropy.
            dice_weight: weight of the Dice loss; 1 and 1 is "DiceCE", 0.4 and 0.6 are also common.
            pixel_mean: mean of each RGB channel (0 to 1), which is subtracted.
            pixel_std: standard deviation of each RGB channel, by which it is divided.

        Raises:
            ValueError: loss weights are given for a head with its own losses, or the head was made
                for another backbone.
        """
        super().__init__()
        head = fitted(head, in_channels=getattr(backbone, "channels", None))
        if isinstance(head, HeadWithLosses) and (ce_weight, dice_weight) != (1.0, 1.0):
            raise ValueError(
                f"ce_weight={ce_weight}, dice_weight={dice_weight} would have no effect: "
                f"{type(head).__name__} has its own losses; set the weights of the head"
            )
        if isinstance(head, HeadOfKnownMaps):
            check_channels("head", head.in_channels, backbone)
        self.backbone = backbone
        self.head = head
        self.num_classes = num_classes
        self.ce_weight, self.dice_weight = ce_weight, dice_weight
        self.normalizer = ImageNormalizer(mean=pixel_mean, std=pixel_std)

    def loss_totals(self, targets: Sequence[ClipTargets]) -> dict[str, float]:
        """Normaliser of the losses of these clips: "frames", the number of annotated frames."""
        return {"frames": float(sum(len(target.annotated_frames) for target in targets))}

    def features(self, clips: list[Clip], images: Tensor) -> dict[str, Tensor]:
        """Compute the backbone's maps, by name, of normalised and padded images (N, 3, H, W).

        The images are the frames of `clips` in order. Only subclasses use `clips`.
        """
        return self.backbone(images)

    def forward(
        self,
        clips: list[Clip],
        targets: list[ClipTargets] | None = None,
        totals: Mapping[str, float | Tensor] | None = None,
    ) -> dict[str, Tensor] | list[ClipPrediction]:
        """Return losses in training mode, otherwise one prediction per clip.

        `totals` is as in LGRNet.forward. Batch normalisation, if the backbone has it, is
        over the clips of one process and step.

        Raises:
            ValueError: clips of one batch differ in shape, or targets are missing in training.
        """
        if not self.training:
            return [clip_prediction(scores) for scores in self._scores(clips).float()]
        if targets is None:
            raise ValueError("a model in training mode needs targets; call .eval() to predict")
        images = self._images(clips, clip_generators(clips))
        features = self.features(clips, images)
        totals = totals or mean_over_processes(self.loss_totals(targets), images.device)
        truth = pixel_truth(targets, num_frames=totals["frames"], padded_size=map_size(images))
        return self._losses(features, truth)

    def class_probabilities(
        self, clips: list[Clip], generators: list[torch.Generator] | None = None
    ) -> Tensor:
        """Compute the probability of each class at each pixel (see contracts.Segmenter)."""
        return at_least_float32(self._scores(clips, generators)).softmax(dim=1)[:, 1:]

    def _images(self, clips: list[Clip], generators: list[torch.Generator] | None) -> Tensor:
        """Normalised and padded frames (B T, 3, H, W); random numbers are drawn for them."""
        frames = stack_clips(clips)
        if generators is not None:
            draw_drop_paths(self.backbone, generators, frames.shape[1])
            draw_channel_dropout(self.head, generators, frames.shape[1])
        return rearrange(self.normalizer(frames), "b t c h w -> (b t) c h w")

    def _scores(self, clips: list[Clip], generators: list[torch.Generator] | None = None) -> Tensor:
        """Scores (B, K + 1, T, h, w) of the input without its padding."""
        images = self._images(clips, generators)
        scores = self.head(self.features(clips, images))
        stride = images.shape[-1] // scores.shape[-1]
        scores = crop_to_input(scores, map_size(clips[0].frames), stride=stride)
        return rearrange(scores, "(b t) k h w -> b k t h w", b=len(clips))

    def _losses(self, features: dict[str, Tensor], truth: PixelTruth) -> dict[str, Tensor]:
        if isinstance(self.head, HeadWithLosses):
            return self.head.losses(features, truth)
        losses = per_pixel_losses(truth.crop(self.head(features)), truth.labels, truth.num_frames)
        return {
            "loss_ce": self.ce_weight * losses["loss_ce"],
            "loss_dice": self.dice_weight * losses["loss_dice"],
        }


def per_pixel_losses(
    scores: Tensor, labels: Tensor, num_frames: float | Tensor
) -> dict[str, Tensor]:
    """Cross-entropy and soft Dice losses, as means over the annotated frames.

        dice of class k = (2 sum p_k y_k + 1) / (sum p_k + sum y_k + 1), over frame and pixels

    Args:
        scores: (A, K + 1, h, w) logits of annotated frames; they are resized to the labels' size.
        labels: (A, H, W) int64 label maps, 0 background.
        num_frames: divisor of the sums over annotated frames.
    """
    scores = F.interpolate(
        at_least_float32(scores), labels.shape[-2:], mode="bilinear", align_corners=False
    )
    if len(labels) == 0:
        return {"loss_ce": 0 * scores.sum(), "loss_dice": 0 * scores.sum()}
    classes = torch.arange(1, scores.shape[1], device=labels.device)[:, None, None]
    truth = (labels[:, None] == classes).to(scores)
    probs = scores.softmax(dim=1)[:, 1:]
    dice = soft_dice(probs, truth, (-2, -1))
    entropy = F.cross_entropy(scores, labels, reduction="none").mean(dim=(-2, -1))
    return {
        "loss_ce": divide(entropy.sum(), num_frames),
        "loss_dice": divide((1 - dice).mean(dim=1).sum(), num_frames),
    }


def clip_prediction(scores: Tensor) -> ClipPrediction:
    """Make the prediction of a clip from the scores (K + 1, T, h, w) of its pixels.

    The logit of class k is its score minus the best other score, so it is positive where class k
    has the largest score.
    """
    margins = []
    for k in range(1, len(scores)):
        others = torch.cat([scores[:k], scores[k + 1 :]])
        margins.append(scores[k] - others.amax(dim=0))
    logits = torch.stack(margins)  # K T h w
    probs = scores.softmax(dim=0)[1:].amax(dim=(1, 2, 3))
    return ClipPrediction(
        mask_logits=logits,
        class_probs=probs,
        present=torch.ones(len(logits), dtype=torch.bool, device=logits.device),
    )


class UNet(nn.Module):
    """U-Net at full resolution; five levels from `width` channels, doubled at each.

    Source: Ronneberger et al., "U-Net", MICCAI 2015; with batch normalisation, and with padding, so
    that sizes do not change. Its output {"res0": (N, width, H, W)} is classified by a 1 x 1
    convolution.
    """

    def __init__(self, *, width: int = 16, num_levels: int = 5):
        super().__init__()
        widths = [width * 2**level for level in range(num_levels)]
        self.channels, self.strides = {"res0": width}, {"res0": 1}
        self.down = nn.ModuleList(
            _two_convs(in_channels, out_channels)
            for in_channels, out_channels in zip([3, *widths], widths, strict=False)
        )
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in pairs)
        self.merge = nn.ModuleList(_two_convs(a, b) for a, b in pairs)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W), H and W multiples of 16 -> {"res0": (N, width, H, W)}."""
        skipped = []
        for level, block in enumerate(self.down):
            images = block(F.max_pool2d(images, 2) if level else images)
            skipped.append(images)
        images = skipped.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            images = merge(torch.cat([skipped.pop(), up(images)], dim=1))
        return {"res0": images}


def _two_convs(in_channels: int, out_channels: int) -> nn.Sequential:
    layers = []
    for channels in (in_channels, out_channels):
        layers += [
            nn.Conv2d(channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)
