"""An auxiliary head of LGRNet that classifies every pixel, as a plain feature pyramid does.

Masks of queries are trained on sampled points of matched objects. This head is trained on all
pixels of the annotated frames, without matching. At test, its class maps are averaged with those of
the queries.

Letters: B clips, T frames, D width, K classes.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from einops import rearrange
from torch import Tensor, nn

from lgrseg.layers.clip_batch import crop_to_input
from lgrseg.layers.convolutions import conv_norm_relu
from lgrseg.layers.map_size import map_size
from lgrseg.modeling.heads.per_pixel import per_pixel_losses
from lgrseg.modeling.heads.pixel_truth import pixel_truth
from lgrseg.structures import ClipPrediction, ClipTargets


class AuxiliaryPixelHead(nn.Module):
    """A 3 x 3 convolution and a class score for every pixel of the encoder's map at stride 4."""

    def __init__(
        self,
        *,
        dim: int,
        num_classes: int,
        ce_weight: float = 1.0,
        dice_weight: float = 1.0,
        share: float = 0.5,
    ):
        """Make a head for one encoder.

        Args:
            dim: width D of the encoder's maps, a multiple of 8.
            num_classes: number K of classes, without the background.
            ce_weight: weight of the cross-entropy.
            dice_weight: weight of the Dice loss over whole masks.
            share: weight of this head at test, 0 to 1: 0 uses the queries alone, 1 this head alone.

        Raises:
            ValueError: the share is not in 0 to 1.
        """
        super().__init__()
        if not 0 <= share <= 1:
            raise ValueError(f"pixel_head.share must be 0 to 1, not {share}")
        self.num_classes, self.share = num_classes, share
        self.ce_weight, self.dice_weight = ce_weight, dice_weight
        self.smooth = conv_norm_relu(dim, dim)
        self.classify = nn.Conv2d(dim, num_classes + 1, 1)

    def forward(self, mask_features: Tensor) -> Tensor:
        """Mask features (B, T, D, h, w) -> scores (B, T, K + 1, h, w); index 0: background."""
        scores = self.classify(self.smooth(rearrange(mask_features, "b t d h w -> (b t) d h w")))
        return rearrange(scores, "(b t) k h w -> b t k h w", b=len(mask_features))

    def losses(
        self,
        mask_features: Tensor,
        targets: Sequence[ClipTargets],
        *,
        num_frames: float | Tensor,
    ) -> dict[str, Tensor]:
        """Weighted losses over whole masks, as means over annotated frames.

        Args:
            mask_features: (B, T, D, h, w) maps of the padded input at stride 4.
            targets: targets of every clip.
            num_frames: divisor of the sums over annotated frames.

        Returns:
            "loss_pixel_ce" and "loss_pixel_dice", see `per_pixel_losses`.
        """
        scores = rearrange(self(mask_features), "b t k h w -> (b t) k h w")
        height, width = map_size(scores)
        truth = pixel_truth(targets, num_frames=num_frames, padded_size=(4 * height, 4 * width))
        found = per_pixel_losses(truth.crop(scores), truth.labels, truth.num_frames)
        return {
            "loss_pixel_ce": self.ce_weight * found["loss_ce"],
            "loss_pixel_dice": self.dice_weight * found["loss_dice"],
        }

    def average(
        self, predictions: Sequence[ClipPrediction], mask_features: Tensor, size: tuple[int, int]
    ) -> list[ClipPrediction]:
        """Average the mask logits of the queries with those of this head.

            logit_k = (1 - share) * logit_k of the queries + share * log(p_k / (1 - p_k))

        p_k is this head's probability of class k. The queries alone decide which classes are in
        the clip.

        Args:
            predictions: prediction of the queries for every clip.
            mask_features: (B, T, D, h, w) maps of the padded input at stride 4.
            size: (height, width) of the input without padding.
        """
        if self.share == 0:
            return list(predictions)
        logits = class_log_odds(self(mask_features).float())
        logits = crop_to_input(rearrange(logits, "b t k h w -> b k t h w"), size)
        return [
            replace(prediction, mask_logits=prediction.mask_logits.lerp(of_clip, self.share))
            for prediction, of_clip in zip(predictions, logits, strict=True)
        ]


def class_log_odds(scores: Tensor) -> Tensor:
    """Log odds log(p / (1 - p)) of every class but the background.

    Args:
        scores: (..., K + 1, h, w) scores, whose softmax is p; index 0 is the background.

    Returns:
        (..., K, h, w) log odds; above 0, the class is more probable than all others together.
    """
    odds = []
    for k in range(1, scores.shape[-3]):
        others = torch.cat([scores[..., :k, :, :], scores[..., k + 1 :, :, :]], dim=-3)
        odds.append(scores[..., k, :, :] - others.logsumexp(dim=-3))
    return torch.stack(odds, dim=-3)
