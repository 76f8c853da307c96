"""The losses of BASIC: classes, masks and dice on uncertain points, after Hungarian matching.

Sources: Mask2Former (CVPR 2022), section 3.3 and Table 1; uncertain points: Kirillov et al.,
"PointRend", CVPR 2020, section 3.1. Unlike in their code, masks do not fade to zero at the
picture's border (padding of `point_sample`), because this attracted uncertain points to the border.

Letters: L decoder outputs, B clips, Q queries, N objects of a clip, A annotated frames of a clip,
R rows (one for every object on every annotated frame of the batch), P points, K classes.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from lgrseg.layers.clip_batch import to_device
from lgrseg.layers.numerics import at_least_float32, divide, soft_dice
from lgrseg.modeling.lgrnet.decoder import DecoderOutput
from lgrseg.modeling.losses.box_criterion import (
    BoxTruth,
    box_cost,
    box_losses,
    box_totals,
    box_truth,
)
from lgrseg.modeling.losses.matcher import Matches, assign, matching_cost
from lgrseg.ops import point_sample, uncertain_points
from lgrseg.structures import ClipTargets


class SetCriterion(nn.Module):
    """Matches every decoder output separately to the truth, and sums the losses of all outputs."""

    class_weights: Tensor

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
    ):
        """Every weight multiplies both a loss and the corresponding matching cost.

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
        """
        super().__init__()
        self.num_classes = num_classes
        self.weights = {
            "class_weight": class_weight,
            "mask_weight": mask_weight,
            "dice_weight": dice_weight,
        }
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
            generators: random generator of every clip, for its points; None uses torch's own.

        Returns:
            "loss_class", "loss_mask" and "loss_dice" of the last output, and with a box head
            "loss_box", "loss_giou" and "loss_object". "aux_loss_class" and so on are the sums over
            the earlier outputs.

        Raises:
            ValueError: a clip has more objects than there are queries.
        """
        _check_queries(targets, outputs[0].class_logits.shape[1])
        boxes = _boxes_of(outputs, targets)
        class_logits = torch.stack([o.class_logits for o in outputs])  # L B Q K+1
        mask_logits = torch.stack([o.mask_logits for o in outputs])  # L B Q T h w
        totals = totals or self.totals(targets, class_logits.shape[2], boxes=boxes is not None)
        generators = generators or [None] * len(targets)
        class_logits = at_least_float32(class_logits)
        with torch.no_grad():
            matches = self._match(
                class_logits, at_least_float32(mask_logits), targets, generators, boxes
            )
        per_output = {"loss_class": self._class_loss(class_logits, matches, targets, totals)}
        rows = _matched_rows(mask_logits, matches, targets)
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
        boxes: "_Boxes | None",
    ) -> list[Matches]:
        num_outputs, device = len(class_logits), mask_logits.device
        costs = []
        for clip, target in enumerate(targets):
            points_per_frame = self._points_per_mask(target.masks)
            frames = to_device(torch.tensor(target.annotated_frames, dtype=torch.long), device)
            points = torch.rand(
                len(frames), points_per_frame, 2, device=device, generator=generators[clip]
            )  # A P xy, the same for every query and output
            predicted = rearrange(mask_logits[:, clip][:, :, frames], "l q a h w -> a (l q) h w")
            truth = rearrange(target.masks[:, frames], "n a h w -> a n h w").to(predicted)
            costs.append(
                matching_cost(
                    class_logits[:, clip],
                    rearrange(
                        point_sample(predicted, points, padding="border"),
                        "a (l q) p -> l q (a p)",
                        l=num_outputs,
                    ),
                    to_device(target.labels, device),
                    rearrange(point_sample(truth, points, padding="border"), "a n p -> n (a p)"),
                    **self.weights,
                )
            )
            if boxes is not None:
                cost = box_cost(boxes.predicted[:, clip], boxes.truths[clip], **self.box_weights)
                costs[-1] = costs[-1] + cost
        return assign(costs)

    def _points_per_mask(self, masks: Tensor) -> int:
        return min(self.num_points, masks.shape[-2] * masks.shape[-1])

    def _class_loss(
        self,
        class_logits: Tensor,
        matches: Sequence[Matches],
        targets: Sequence[ClipTargets],
        totals: Mapping[str, float | Tensor],
    ) -> Tensor:
        """Cross-entropy of the classes of every output, (L,)."""
        true_classes = torch.full(
            class_logits.shape[:3], self.num_classes
        )  # L B Q, filled on the CPU
        for clip, clip_matches in enumerate(matches):
            labels = targets[clip].labels
            for output, (queries, objects) in enumerate(clip_matches):
                true_classes[output, clip, torch.from_numpy(queries)] = labels[
                    torch.from_numpy(objects)
                ]
        true_classes = to_device(true_classes, class_logits.device)
        supervised = torch.stack([target.annotated.any() for target in targets])
        supervised = to_device(supervised, class_logits.device)
        weights = self.class_weights[true_classes] * supervised[:, None]  # L B Q
        entropy = F.cross_entropy(class_logits.movedim(-1, 1), true_classes, reduction="none")
        loss = (weights * entropy).sum(dim=(1, 2))
        return self.weights["class_weight"] * divide(loss, totals["class"])

    def mask_losses(
        self,
        rows: Sequence[tuple[Tensor, Tensor]],
        totals: Mapping[str, float | Tensor],
        generators: Sequence[torch.Generator | None],
    ) -> dict[str, Tensor]:
        """Weighted BCE and Dice losses on points: "loss_mask" and "loss_dice", (L,) each.

        Args:
            rows: logits (L, R, h, w) and their truth (L, R, H, W) bool of every clip.
            totals: normalisers; "mask" divides the sums over rows.
            generators: random generator of every clip, for its points.
        """
        logits = at_least_float32(torch.cat([logits for logits, _ in rows], dim=1))
        num_outputs = len(logits)
        if logits.shape[1] == 0:
            nothing = 0 * logits.sum(dim=(1, 2, 3))  # connects the loss to the graph
            return {"loss_mask": nothing, "loss_dice": nothing}
        masks = torch.cat([masks for _, masks in rows], dim=1)
        with torch.no_grad():
            points = self._uncertain_points(
                logits,
                self._points_per_mask(masks),
                [
                    (clip_logits.shape[1], g)
                    for (clip_logits, _), g in zip(rows, generators, strict=True)
                ],
            )
            masks = rearrange(masks, "l r h w -> (l r) 1 h w").to(logits)
            truth = point_sample(masks, points, padding="border")
        logits = rearrange(logits, "l r h w -> (l r) 1 h w")
        predicted = point_sample(logits, points, padding="border")[:, 0]  # (L R) P
        truth = truth[:, 0]
        bce = F.binary_cross_entropy_with_logits(predicted, truth, reduction="none").mean(-1)
        probs = predicted.sigmoid()
        dice = 1 - soft_dice(probs, truth, -1)

        def per_output(values: Tensor) -> Tensor:
            sums = rearrange(values, "(l r) -> l r", l=num_outputs).sum(-1)
            return divide(sums, totals["mask"])

        return {
            "loss_mask": self.weights["mask_weight"] * per_output(bce),
            "loss_dice": self.weights["dice_weight"] * per_output(dice),
        }

    def _uncertain_points(
        self, logits: Tensor, num_points: int, draws: Sequence[tuple[int, torch.Generator | None]]
    ) -> Tensor:
        """Draw points where a mask is most uncertain, and some random points.

        Args:
            logits: (L, R, h, w) mask logits.
            num_points: number P of points per row.
            draws: number of rows and random generator of every clip.

        Returns:
            ((L R), P, 2) points.
        """
        num_candidates = int(num_points * self.oversample_ratio)
        num_uncertain = int(num_points * self.importance_ratio)
        num_drawn = num_candidates + num_points - num_uncertain
        drawn = [
            torch.rand(len(logits), r, num_drawn, 2, device=logits.device, generator=generator)
            for r, generator in draws
        ]
        points = rearrange(torch.cat(drawn, dim=1), "l r c xy -> (l r) c xy")
        candidates, anywhere = points[:, :num_candidates], points[:, num_candidates:]
        uncertain = uncertain_points(logits.flatten(0, 1), candidates, num_uncertain)
        return torch.cat([uncertain, anywhere], dim=1)


class _Boxes(NamedTuple):
    """The boxes of all decoder outputs, and the true ones."""

    predicted: Tensor
    """(L, B, Q, T, 4) as (cx, cy, w, h)."""
    objectness: Tensor
    """(L, B, Q, T) logits."""
    truths: list[BoxTruth]
    """The true boxes of every clip."""


def _boxes_of(outputs: Sequence[DecoderOutput], targets: Sequence[ClipTargets]) -> _Boxes | None:
    """The boxes of the outputs; None without a box head."""
    boxes = [output.boxes for output in outputs if output.boxes is not None]
    objectness = [output.objectness for output in outputs if output.objectness is not None]
    if not boxes:
        return None
    truths = [box_truth(target) for target in targets]
    return _Boxes(torch.stack(boxes), torch.stack(objectness), truths)


def _check_queries(targets: Sequence[ClipTargets], num_queries: int) -> None:
    """Raise an error for clips with more objects than queries."""
    most = max((len(target.labels) for target in targets), default=0)
    if most > num_queries:
        raise ValueError(
            f"a clip has {most} objects, but the decoder has {num_queries} queries, one per "
            f"object: set decoder.num_queries to {most} or more"
        )


def _matched_rows(
    mask_logits: Tensor, matches: Sequence[Matches], targets: Sequence[ClipTargets]
) -> list[tuple[Tensor, Tensor]]:
    """Matched objects on annotated frames, by clip: logits (L, R, h, w), truth (L, R, H, W)."""
    rows = []
    for clip, (clip_matches, target) in enumerate(zip(matches, targets, strict=True)):
        device = mask_logits.device
        queries, objects, frames = (
            to_device(torch.tensor(numbers, dtype=torch.long), device)
            for numbers in (
                [q.tolist() for q, _ in clip_matches],
                [n.tolist() for _, n in clip_matches],
                target.annotated_frames,
            )
        )
        output = torch.arange(len(clip_matches), device=device)[:, None]
        chosen = mask_logits[:, clip][output, queries][:, :, frames]  # L N A h w
        truth = target.masks[objects][:, :, frames]
        chosen = rearrange(chosen, "l n a h w -> l (n a) h w")
        rows.append((chosen, rearrange(truth, "l n a h w -> l (n a) h w")))
    return rows
