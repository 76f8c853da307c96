"""Per-frame baselines that everyone compares with: a network that scores every pixel's class.

`PerPixelSegmenter` takes the same clips and targets as LGRNet and treats every frame alone.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from lgrseg.engine.distributed import mean_over_processes
from lgrseg.modeling.backbones.drop_path import draw_drop_paths
from lgrseg.modeling.clip_batch import (
    ImageNormalizer,
    clip_generators,
    crop_to_input,
    stack_clips,
    to_device,
)
from lgrseg.modeling.numerics import at_least_float32, divide
from lgrseg.structures import Clip, ClipPrediction, ClipTargets


class PerPixelSegmenter(nn.Module):
    """A backbone and a head that give each pixel a score per class; Dice + cross-entropy."""

    def __init__(
        self,
        *,
        backbone: nn.Module,
        head: nn.Module,
        num_classes: int,
        pixel_mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
        pixel_std: tuple[float, float, float] = (0.229, 0.224, 0.225),
    ):
        """`head` turns the backbone's maps into (N, K + 1, h, w); score 0 is the background."""
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.num_classes = num_classes
        self.normalizer = ImageNormalizer(mean=pixel_mean, std=pixel_std)

    def loss_totals(self, targets: list[ClipTargets]) -> dict[str, float]:
        """What the losses of these clips are divided by: "frames", the annotated ones."""
        return {"frames": float(sum(len(target.annotated_frames) for target in targets))}

    def forward(
        self,
        clips: list[Clip],
        targets: list[ClipTargets] | None = None,
        totals: Mapping[str, float | Tensor] | None = None,
    ) -> dict[str, Tensor] | list[ClipPrediction]:
        """Losses of a batch in training mode, one prediction a clip otherwise.

        `totals` is as in LGRNet.forward. Batch normalisation, where the backbone has it, is over
        the clips that one process sees at a time.

        Raises:
            ValueError: clips of one batch differ in shape, or training without targets.
        """
        frames = stack_clips(clips)
        size = frames.shape[-2:]
        if self.training:
            draw_drop_paths(self.backbone, clip_generators(clips), frames.shape[1])
        images = rearrange(self.normalizer(frames), "b t c h w -> (b t) c h w")
        scores = self.head(self.backbone(images))
        scores = crop_to_input(scores, size, stride=images.shape[-1] // scores.shape[-1])
        if self.training:
            if targets is None:
                raise ValueError("a model in training mode needs targets; call .eval() to predict")
            totals = totals or mean_over_processes(self.loss_totals(targets), frames.device)
            return per_pixel_losses(scores, *_label_maps(targets), totals["frames"])
        scores = rearrange(scores, "(b t) k h w -> b k t h w", b=len(clips))
        return [_prediction(clip_scores) for clip_scores in scores.float()]


def per_pixel_losses(
    scores: Tensor, labels: Tensor, frames: Tensor, num_frames: float | Tensor
) -> dict[str, Tensor]:
    """Cross-entropy and soft Dice, means over the annotated frames.

        dice of class k = (2 sum p_k y_k + 1) / (sum p_k + sum y_k + 1), over frame and pixels

    Args:
        scores: (N, K + 1, h, w) raw; brought to the size of the labels first.
        labels: (N, H, W) int64, 0 background.
        frames: (A,) int64, the annotated ones of the N; others say nothing.
        num_frames: what the sums over annotated frames are divided by.
    """
    scores = F.interpolate(
        at_least_float32(scores[frames]), labels.shape[-2:], mode="bilinear", align_corners=False
    )
    labels = labels[frames]
    if len(labels) == 0:
        return {"loss_ce": 0 * scores.sum(), "loss_dice": 0 * scores.sum()}
    classes = torch.arange(1, scores.shape[1], device=labels.device)[:, None, None]
    truth = (labels[:, None] == classes).to(scores)
    probs = scores.softmax(dim=1)[:, 1:]
    overlap = (probs * truth).sum(dim=(-2, -1))
    dice = (2 * overlap + 1) / (probs.sum(dim=(-2, -1)) + truth.sum(dim=(-2, -1)) + 1)
    entropy = F.cross_entropy(scores, labels, reduction="none").mean(dim=(-2, -1))
    return {
        "loss_ce": divide(entropy.sum(), num_frames),
        "loss_dice": divide((1 - dice).mean(dim=1).sum(), num_frames),
    }


def _label_maps(targets: list[ClipTargets]) -> tuple[Tensor, Tensor]:
    maps = []
    for target in targets:
        numbers = to_device(target.labels + 1, target.masks.device)
        values = numbers[:, None, None, None] * target.masks
        empty = target.masks.new_zeros(target.masks.shape[1:], dtype=torch.int64)
        maps.append(values.amax(dim=0) if len(values) else empty)
    annotated = torch.cat([target.annotated for target in targets]).tolist()
    frames = torch.tensor([n for n, known in enumerate(annotated) if known], dtype=torch.long)
    return torch.cat(maps), to_device(frames, maps[0].device)


def _prediction(scores: Tensor) -> ClipPrediction:
    # Class k's logit is its lead over the best other score: positive where it wins the pixel.
    leads = []
    for k in range(1, len(scores)):
        others = torch.cat([scores[:k], scores[k + 1 :]])
        leads.append(scores[k] - others.amax(dim=0))
    logits = torch.stack(leads)  # K T h w
    probs = scores.softmax(dim=0)[1:].amax(dim=(1, 2, 3))
    return ClipPrediction(
        mask_logits=logits,
        class_probs=probs,
        present=torch.ones(len(logits), dtype=torch.bool, device=logits.device),
    )


class FPNHead(nn.Module):
    """Feature pyramid to stride 4 and a class score for every pixel.

    Source: Lin et al., "Feature Pyramid Networks", CVPR 2017; coarse maps are added to finer ones.
    """

    def __init__(self, *, in_channels: dict[str, int], num_classes: int, dim: int = 64):
        super().__init__()
        self.names = sorted(in_channels, reverse=True)  # res5 first
        self.lateral = nn.ModuleDict({n: nn.Conv2d(in_channels[n], dim, 1) for n in self.names})
        self.smooth = nn.Sequential(
            nn.Conv2d(dim, dim, 3, padding=1, bias=False), nn.GroupNorm(8, dim), nn.ReLU()
        )
        self.classify = nn.Conv2d(dim, num_classes + 1, 1)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Backbone maps "res2" to "res5" -> (N, K + 1, H/4, W/4)."""
        joined = self.lateral[self.names[0]](features[self.names[0]])
        for name in self.names[1:]:
            lateral = self.lateral[name](features[name])
            joined = lateral + F.interpolate(
                joined, lateral.shape[-2:], mode="bilinear", align_corners=False
            )
        return self.classify(self.smooth(joined))


class UNet(nn.Module):
    """U-Net at full resolution; five levels from `width` channels, doubled at each.

    Source: Ronneberger et al., "U-Net", MICCAI 2015; batch normalisation, and padding that keeps
    the size. It gives {"res0": (N, width, H, W)}, for a 1 x 1 convolution to classify.
    """

    def __init__(self, *, width: int = 16, num_levels: int = 5):
        super().__init__()
        widths = [width * 2**level for level in range(num_levels)]
        self.channels, self.strides = {"res0": width}, {"res0": 1}
        self.down = nn.ModuleList(
            _two_convs(before, after) for before, after in zip([3, *widths], widths, strict=False)
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


class PixelHead(nn.Module):
    """A class score for every pixel of one map, by a 1 x 1 convolution."""

    def __init__(self, *, in_channels: int, num_classes: int, feature: str = "res0"):
        super().__init__()
        self.feature = feature
        self.classify = nn.Conv2d(in_channels, num_classes + 1, 1)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """{feature: (N, C, h, w)} -> (N, K + 1, h, w)."""
        return self.classify(features[self.feature])


def _two_convs(before: int, after: int) -> nn.Sequential:
    layers = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)]
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)
