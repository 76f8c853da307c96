"""Losses of several mask candidates for one object.

Sources: Kirillov et al., "Segment Anything", ICCV 2023, section 3 (the loss of the best candidate
alone); Ravi et al., "SAM 2", arXiv 2408.00714, appendix D.2 (L1 loss of the expected IoU of every
candidate; if the object is absent, only the loss of absence).

Letters: R objects on frames, J candidates of each, s side of a candidate.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lgrseg.layers.clip_batch import to_device
from lgrseg.layers.numerics import at_least_float32, soft_dice
from lgrseg.modeling.sam2.records import FrameMasks


class Judgement(NamedTuple):
    """Comparison of mask candidates with the truth."""

    best: Tensor
    """(R,) int64 index of the candidate with the lowest loss."""
    ious: Tensor
    """(R, J) IoU of each (binarised) candidate with the truth."""


@torch.no_grad()
def judge_candidates(
    logits: Tensor, truth: Tensor, *, mask_weight: float, dice_weight: float
) -> Judgement:
    """Compare candidates with the truth, at the size of the truth.

        loss = mask_weight * BCE + dice_weight * (1 - dice), over all pixels

    Args:
        logits: (R, J, s, s) mask logits of the candidates.
        truth: (R, H, W) bool true masks.
        mask_weight: weight of the binary cross-entropy.
        dice_weight: weight of the dice loss.
    """
    logits = F.interpolate(
        at_least_float32(logits), truth.shape[-2:], mode="bilinear", align_corners=False
    )
    target = truth[:, None].to(logits)
    entropy = F.binary_cross_entropy_with_logits(
        logits, target.expand_as(logits), reduction="none"
    ).mean(dim=(-2, -1))
    dice = soft_dice(logits.sigmoid(), target, (-2, -1))
    masks, truth = logits > 0, truth[:, None]
    shared, either = ((masks & truth).sum(dim=(-2, -1)), (masks | truth).sum(dim=(-2, -1)))
    loss = mask_weight * entropy + dice_weight * (1 - dice)
    return Judgement(loss.argmin(dim=1), shared / either.clamp(min=1))


class TrackLosses:
    """Accumulates the losses of one clip: rows for the mask losses, and sums of the two others."""

    def __init__(self, masks: Tensor, present: Tensor, weights: Mapping[str, float]):
        """Start with empty sums.

        Args:
            masks: (N, T, H, W) bool true masks.
            present: (N, T) bool on the CPU, true on frames that show the object.
            weights: "mask_weight" and "dice_weight", used to select the best candidate.
        """
        self.masks, self.present = masks, present
        self.weights = {name: weights[name] for name in ("mask_weight", "dice_weight")}
        self.iou_loss: Tensor | float = 0.0
        """Sum over objects and frames that show them of the mean |predicted IoU - IoU|."""
        self.object_loss: Tensor | float = 0.0
        """Sum over objects and frames of the cross-entropy of "the object is in the frame"."""
        self._logits: list[Tensor] = []
        self._truth: list[Tensor] = []

    @property
    def num_objects(self) -> int:
        """Number N of objects."""
        return len(self.masks)

    def compare(self, predicted: FrameMasks, frame: int, objects: list[int]) -> None:
        """Compare the masks of these objects on a frame with the truth.

        Args:
            predicted: predicted masks of all N objects.
            frame: index of the frame.
            objects: indices of the objects to compare.
        """
        logits = at_least_float32(predicted.object_logits[objects])
        is_present = to_device(self.present[objects, frame], logits.device).to(logits)
        self.object_loss = self.object_loss + F.binary_cross_entropy_with_logits(
            logits, is_present, reduction="sum"
        )
        shown = [n for n in objects if self.present[n, frame]]
        if not shown:
            return
        candidates, truth = predicted.candidates[shown], self.masks[shown, frame]
        best, ious = judge_candidates(candidates, truth, **self.weights)
        self._logits.append(candidates[torch.arange(len(shown), device=best.device), best])
        self._truth.append(truth)
        distance = (at_least_float32(predicted.ious[shown]) - ious).abs()
        self.iou_loss = self.iou_loss + distance.mean(dim=1).sum()

    def rows(self, none: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (1, R, s, s) of the best candidates and their truth (1, R, H, W).

        `none` (0, s, s) is used for the logits if nothing was compared.
        """
        truth = self._truth or [self.masks.new_zeros(0, *self.masks.shape[-2:])]
        return torch.cat(self._logits or [none])[None], torch.cat(truth)[None]
