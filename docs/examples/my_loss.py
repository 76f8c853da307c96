"""A loss term of your own: the predicted area of a structure should be the true one."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lgrseg.layers.numerics import divide
from lgrseg.modeling.losses.criterion import SetCriterion


class AreaCriterion(SetCriterion):
    """The losses of LGRNet, and "loss_area": the absolute difference of areas.

    area = mean of the probabilities over all pixels of a frame, from 0 to 1
    """

    def __init__(self, *, num_classes: int, num_points: int = 12_544, area_weight: float = 5.0):
        """The criterion with one more term, whose weight is `area_weight`."""
        super().__init__(num_classes=num_classes, num_points=num_points)
        self.area_weight = area_weight

    def mask_losses(
        self,
        rows: list[tuple[Tensor, Tensor]],
        totals: Mapping[str, float | Tensor],
        generators: list[torch.Generator | None],
    ) -> dict[str, Tensor]:
        """Losses of masks that are matched to an object; one value for each decoder layer (L,).

        Args:
            rows: for each clip, mask logits (L, R, h, w) and ground truth (L, R, H, W).
            totals: the number of masks in the whole batch, under "mask".
            generators: random generators of the clips.
        """
        losses = super().mask_losses(rows, totals, generators)
        predicted = torch.cat([logits.float().sigmoid().mean((-2, -1)) for logits, _ in rows], 1)
        truth = torch.cat([masks.float().mean((-2, -1)) for _, masks in rows], 1)
        difference = (predicted - truth).abs().sum(1)
        losses["loss_area"] = self.area_weight * divide(difference, totals["mask"])
        return losses
