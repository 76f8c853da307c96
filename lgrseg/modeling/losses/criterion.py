"""The losses of BASIC after Hungarian matching: classes, and masks at uncertain points.

Source: Mask2Former (CVPR 2022), section 3.3 and Table 1. The mask losses are terms (terms.py). They
compare each matched mask with the mask of its object (matched_masks.py).

Letters: L decoder outputs, B clips, Q queries, T frames, K classes, R rows (one for every object on
every annotated frame of the batch).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lgrseg.layers.numerics import at_least_float32, divide
from lgrseg.modeling.lgrnet.decoder import DecoderOutput
from lgrseg.modeling.losses.box_criterion import (
    BoxOutputs,
    box_cost,
    box_losses,
    box_outputs,
    box_totals,
)
from lgrseg.modeling.losses.class_loss import class_loss
from lgrseg.modeling.losses.matched_masks import Rows, matched_rows, sampled_masks
from lgrseg.modeling.losses.matcher import Matches, assign, cost_of_clip
from lgrseg.modeling.losses.terms import LossTerm, PointDice, PointEntropy, check_names, values_of
from lgrseg.structures import ClipTargets

OTHER_LOSSES = ("class", "box", "giou", "object", "iou", "pixel_ce", "pixel_dice")
"""Names of losses that are not terms: of classes, of boxes, of BOX-SAM2, and of pixel heads."""


class SetCriterion(nn.Module):
    """Matches every decoder output separately to the truth, and sums the losses of all outputs."""

    class_weights: Tensor
    terms: tuple[LossTerm, ...]
    """The terms of the mask loss."""

    def __init__(
        self,
        *,
        num_classes: int,
        class_weight: float = 2.0,
        mask_weight: float = 5.0,
        dice_weight: float = 5.0,
        no_object_weight: float = 0.1,
        num_points: int = 12_544,
        oversample_ratio: float = 3.0,
        importance_ratio: float = 0.75,
        box_weight: float = 5.0,
        giou_weight: float = 2.0,
        objectness_weight: float = 2.0,
        extra_terms: Sequence[LossTerm] = (),
    ):
        """Each weight multiplies both a loss and the corresponding matching cost.

        Args:
            num_classes: number K of classes, without "no object".
            class_weight: weight of the cross-entropy over classes.
            mask_weight: weight of the binary cross-entropy on points.
            dice_weight: weight of the Dice loss on points.
            no_object_weight: weight of queries without an object in the cross-entropy.
            num_points: number of points per mask and frame, at most the number of input pixels.
            oversample_ratio: number of random candidates per selected uncertain point.
            importance_ratio: share of points that are the most uncertain candidates, 0 to 1.
            box_weight: weight of the L1 distance of boxes, if the decoder has a box head.
            giou_weight: weight of 1 - GIoU, if the decoder has a box head.
            objectness_weight: weight of the cross-entropy of objectness, if there is a box head.
            extra_terms: further terms of the loss of masks; they do not change the matching.

        Raises:
            ValueError: an extra term has the name of another loss.
        """
        super().__init__()
        self.num_classes = num_classes
        self.weights = {
            "class_weight": class_weight,
            "mask_weight": mask_weight,
            "dice_weight": dice_weight,
        }
        self.terms = (PointEntropy(mask_weight), PointDice(dice_weight), *extra_terms)
        check_names(self.terms, OTHER_LOSSES)
        self.box_weights = {"box_weight": box_weight, "giou_weight": giou_weight}
        self.objectness_weight = objectness_weight
        self.num_points = num_points
        self.oversample_ratio = oversample_ratio
        self.importance_ratio = importance_ratio
        self.no_object_weight = no_object_weight
        class_weights = torch.ones(num_classes + 1)
        class_weights[-1] = no_object_weight
        self.register_buffer("class_weights", class_weights, persistent=False)

    def totals(
        self, targets: Sequence[ClipTargets], num_queries: int, *, boxes: bool = False
    ) -> dict[str, float]:
        """Compute the normalisers of the losses of a batch from its targets.

        Returns:
            "mask": number of objects x annotated frames. "class": sum of the queries' weights. With
            `boxes` also the normalisers of `box_totals`.

        Raises:
            ValueError: a clip has more objects than there are queries.
        """
        _check_queries(targets, num_queries)
        masks = classes = 0.0
        for target in targets:
            num_frames, num_objects = len(target.annotated_frames), len(target.labels)
            masks += num_objects * num_frames
            if num_frames:
                classes += num_objects + (num_queries - num_objects) * self.no_object_weight
        totals = {"mask": masks, "class": classes}
        return totals | box_totals(targets, num_queries) if boxes else totals

    def forward(
        self,
        outputs: Sequence[DecoderOutput],
        targets: Sequence[ClipTargets],
        *,
        totals: Mapping[str, float | Tensor] | None = None,
        generators: Sequence[torch.Generator | None] | None = None,
    ) -> dict[str, Tensor]:
        """Compute the weighted losses of a batch; training minimises their sum.

        Mask losses are means over objects x annotated frames, the class loss is a mean over
        queries weighted by class. A clip without annotated frames does not contribute. In a clip
        with annotated frames but without objects, all queries are trained to predict "no object".

        Args:
            outputs: outputs of all decoder layers.
            targets: targets of every clip.
            totals: normalisers, needed if this batch is a part of a larger one; None uses `totals`
                of this batch.
            generators: random generator of every clip, for its points; None uses the global one.

        Returns:
            "loss_class", "loss_mask" and "loss_dice" of the last output, and with a box head
            "loss_box", "loss_giou" and "loss_object". Extra terms are listed under their names.
            "aux_loss_class" and so on are the sums over the earlier outputs.

        Raises:
            ValueError: a clip has more objects than there are queries.
        """
        _check_queries(targets, outputs[0].class_logits.shape[1])
        boxes = box_outputs(outputs, targets)
        class_logits = torch.stack([o.class_logits for o in outputs])  # L B Q K+1
        mask_logits = torch.stack([o.mask_logits for o in outputs])  # L B Q T h w
        totals = totals or self.totals(targets, class_logits.shape[2], boxes=boxes is not None)
        generators = generators or [None] * len(targets)
        class_logits = at_least_float32(class_logits)
        with torch.no_grad():
            matches = self._match(
                class_logits, at_least_float32(mask_logits), targets, generators, boxes
            )
        classes = class_loss(class_logits, matches, targets, self.class_weights)
        per_output = {"loss_class": self.weights["class_weight"] * divide(classes, totals["class"])}
        rows = matched_rows(mask_logits, matches, targets)
        per_output |= self.mask_losses(rows, totals, generators)
        if boxes is not None:
            per_output |= box_losses(
                boxes.predicted, boxes.objectness, matches, boxes.truths, totals,
                **self.box_weights, objectness_weight=self.objectness_weight,
            )  # fmt: skip
        losses = {name: loss[-1] for name, loss in per_output.items()}
        if len(outputs) > 1:
            losses |= {f"aux_{name}": loss[:-1].sum() for name, loss in per_output.items()}
        return losses

    def _match(
        self,
        class_logits: Tensor,
        mask_logits: Tensor,
        targets: Sequence[ClipTargets],
        generators: Sequence[torch.Generator | None],
        boxes: BoxOutputs | None,
    ) -> list[Matches]:
        costs = []
        for clip, target in enumerate(targets):
            cost = cost_of_clip(
                class_logits[:, clip],
                mask_logits[:, clip],
                target,
                num_points=self._points_per_mask(target.masks),
                generator=generators[clip],
                **self.weights,
            )
            if boxes is not None:
                cost = cost + box_cost(
                    boxes.predicted[:, clip], boxes.truths[clip], **self.box_weights
                )
            costs.append(cost)
        return assign(costs)

    def _points_per_mask(self, masks: Tensor) -> int:
        return min(self.num_points, masks.shape[-2] * masks.shape[-1])

    def mask_losses(
        self,
        rows: Sequence[Rows],
        totals: Mapping[str, float | Tensor],
        generators: Sequence[torch.Generator | None],
    ) -> dict[str, Tensor]:
        """Weighted losses of all terms, (L,) each: "loss_mask", "loss_dice" and the extra ones.

        Args:
            rows: logits (L, R, h, w) and their truth (L, R, H, W) bool of every clip.
            totals: normalisers; "mask" divides the sums over rows.
            generators: random generator of every clip, for its points.
        """
        if not any(logits.shape[1] for logits, _ in rows):
            logits = at_least_float32(torch.cat([logits for logits, _ in rows], dim=1))
            zero = 0 * logits.sum(dim=(1, 2, 3))  # connects the loss to the graph
            return {f"loss_{term.name}": zero for term in self.terms}
        matched = sampled_masks(
            rows,
            generators,
            num_points=self._points_per_mask(rows[0][1]),
            oversample_ratio=self.oversample_ratio,
            importance_ratio=self.importance_ratio,
        )
        return {
            f"loss_{term.name}": term.weight
            * divide(values_of(term, matched).sum(dim=-1), totals["mask"])
            for term in self.terms
        }


def _check_queries(targets: Sequence[ClipTargets], num_queries: int) -> None:
    """Raise an error for clips with more objects than queries."""
    most = max((len(target.labels) for target in targets), default=0)
    if most > num_queries:
        raise ValueError(
            f"a clip has {most} objects, but the decoder has {num_queries} queries, one per "
            f"object: set decoder.num_queries to {most} or more"
        )
