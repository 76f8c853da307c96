"""BOX-SAM2: boxes, given or predicted, that prompt SAM 2 through a clip.

Every chamber is one connected object, so segmentation falls into two parts: where its box is, and
what of the box belongs to it (sam2_tracker.py).

Letters: B clips, T frames, K classes, N objects of a clip.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from lgrseg.comm.processes import mean_over_processes
from lgrseg.layers.clip_batch import ImageNormalizer, clip_generators, stack_clips
from lgrseg.layers.numerics import divide
from lgrseg.modeling.contracts import ClipModel
from lgrseg.modeling.sam2.box_tracking import Boxes, Opinions, choose_prompts, track_video
from lgrseg.modeling.sam2.box_training import draw_starts, follow_both_ways, jittered
from lgrseg.modeling.sam2.mask_candidates import TrackLosses
from lgrseg.modeling.sam2.records import NO_OBJECT, Embedding
from lgrseg.modeling.sam2.tracker import Sam2Tracker
from lgrseg.structures import Clip, ClipPrediction, ClipTargets
from lgrseg.structures.boxes import boxes_of_masks


class BoxSam2(ClipModel):
    """Follows one object a class from its boxes.

    At test boxes come from the clip (`Clip.boxes`) or, where it has none, from `box_model`. Where
    no box is found in the whole clip, nothing is in it.
    """

    takes_boxes = True

    def __init__(
        self,
        *,
        sam: nn.Module,
        criterion: nn.Module,
        num_classes: int,
        box_model: Callable[[list[Clip]], list[ClipPrediction]] | None = None,
        every: int = 0,
        least_score: float = 0.5,
        agreement: float = 0.5,
        jitter: float = 0.1,
        predicted_share: float = 0.0,
        max_prompted: int = 4,
        iou_weight: float = 1.0,
        pixel_mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
        pixel_std: tuple[float, float, float] = (0.229, 0.224, 0.225),
    ):
        """Put the parts together.

        Args:
            sam: of `build_sam2`.
            criterion: a SetCriterion, for its mask losses.
            num_classes: K.
            box_model: predicts boxes, as a `FrozenRun` of an LGRNet with a box head does.
            every: prompt with a predicted box every so many frames; 0: on the surest frame alone.
            least_score: of a predicted box that is used.
            agreement: IoU of followed mask and predicted box below which the surer of the two is
                believed; where that is the box, the object is prompted anew.
            jitter: boxes of the truth are moved and stretched in training by up to this part.
            predicted_share: of the clips in training that are prompted with the box model's boxes
                where those are sure enough, instead of the truth's. It has seen these clips too:
                its boxes are better here than they will be at test.
            max_prompted: prompted frames that are remembered of an object, its first among them.
            iou_weight: weight of the loss of the IoU that is expected of masks.
            pixel_mean: of frames of 0 to 1, RGB.
            pixel_std: likewise.

        Raises:
            ValueError: a share of predicted boxes outside 0 to 1, or without a box model.
        """
        super().__init__()
        if not 0 <= predicted_share <= 1 or (predicted_share and box_model is None):
            raise ValueError(
                f"predicted_share is 0 to 1, and 0 without a box_model; it is {predicted_share}"
            )
        self.tracker = Sam2Tracker(sam, max_prompted=max_prompted)
        self.criterion = criterion
        self.num_classes = num_classes
        self.box_model = box_model
        self.every, self.least_score, self.agreement = every, least_score, agreement
        self.jitter, self.predicted_share = jitter, predicted_share
        self.iou_weight = iou_weight
        self.normalizer = ImageNormalizer(mean=pixel_mean, std=pixel_std)

    def loss_totals(self, targets: list[ClipTargets]) -> dict[str, float]:
        """What the losses of these clips are divided by; sums over batches are a larger batch's.

        Returns:
            "mask": objects x annotated frames that they are in. "object": objects x annotated
            frames, of objects that are in one of them at all; the others cannot be prompted.
        """
        masks = answers = 0.0
        for target in targets:
            present = target.masks[:, target.annotated_frames].flatten(2).any(dim=2)  # N A
            masks += float(present.sum())
            answers += float(present.any(dim=1).sum()) * len(target.annotated_frames)
        return {"mask": masks, "object": answers}

    def forward(
        self,
        clips: list[Clip],
        targets: list[ClipTargets] | None = None,
        totals: Mapping[str, float | Tensor] | None = None,
    ) -> dict[str, Tensor] | list[ClipPrediction]:
        """Losses of a batch in training mode, one prediction a clip otherwise.

        Args:
            clips: of one shape, as large as the tracker takes.
            targets: of every clip, in training.
            totals: as in LGRNet.forward.

        Raises:
            ValueError: clips of another size, training without targets, or no way to boxes.
        """
        frames = self.prepared(clips)
        if not self.training:
            return [self._predict(f, clip) for f, clip in zip(frames, clips, strict=True)]
        if targets is None:
            raise ValueError("a model in training mode needs targets; call .eval() to predict")
        totals = totals or mean_over_processes(self.loss_totals(targets), frames.device)
        generators = clip_generators(clips)
        # Only here are several clips one batch: what follows is of the objects of one clip.
        embeddings, length = self.tracker.embed(frames.flatten(0, 1)), frames.shape[1]
        of_clips = [embeddings[i : i + length] for i in range(0, len(embeddings), length)]
        parts = [
            self._track(*each) for each in zip(clips, of_clips, targets, generators, strict=True)
        ]
        # A batch without an object teaches nothing, but its losses have a gradient all the same.
        nothing = 0 * next(self.tracker.parameters()).sum()
        side = self.tracker.size // 4
        rows = [part.rows(nothing.expand(0, side, side)) for part in parts]
        losses = self.criterion.mask_losses(rows, totals, generators)
        iou = nothing + sum(part.iou_loss for part in parts)
        absence = nothing + sum(part.object_loss for part in parts)
        return {name: loss[0] for name, loss in losses.items()} | {
            "loss_iou": self.iou_weight * divide(iou, totals["mask"]),
            "loss_object": divide(absence, totals["object"]),
        }

    def prepared(self, clips: list[Clip]) -> Tensor:
        """Clips as (B, T, 3, size, size), normalised.

        Raises:
            ValueError: clips of another size.
        """
        frames, size = stack_clips(clips), self.tracker.size
        if frames.shape[-2:] != (size, size):
            raise ValueError(
                f"this SAM 2 takes frames of {size} x {size}, not {tuple(frames.shape[-2:])}: give "
                f"the mappers input_size=[{size}, {size}], or build_sam2 another size"
            )
        return self.normalizer(frames)

    # -- training -----------------------------------------------------------------------------

    def _track(
        self, clip: Clip, frames: Sequence[Embedding], target: ClipTargets, generator
    ) -> TrackLosses:
        """Prompt every object of one clip, follow it to both ends, compare it with the truth."""
        boxes, present = boxes_of_masks(target.masks)  # N T 4, N T
        present = present.cpu()  # which objects are followed is for Python to decide
        starts = draw_starts(present, target.annotated_frames, generator)
        first = {n: jittered(boxes[n, t], self.jitter, generator) for n, t in starts.items()}
        first |= self._predicted_first(clip, target, starts, generator) if starts else {}
        losses = TrackLosses(target.masks, present, self.criterion.weights)
        follow_both_ways(self.tracker, frames, first, starts, losses, target.annotated_frames)
        return losses

    def _predicted_first(self, clip, target: ClipTargets, starts: dict[int, int], generator):
        """Boxes of the box model for the objects that start on these frames, where it is sure.

        For a share of the clips; none for the others.
        """
        drawn = torch.rand((), generator=generator, device=generator.device)
        if drawn >= self.predicted_share:
            return {}
        prediction = self.predicted_boxes(clip)
        labels = target.labels.tolist()
        sure = (prediction.box_scores >= self.least_score).tolist()
        return {n: prediction.boxes[labels[n], t] for n, t in starts.items() if sure[labels[n]][t]}

    # -- prediction ---------------------------------------------------------------------------

    def _predict(self, frames: Tensor, clip: Clip) -> ClipPrediction:
        opinions = None
        prompts = clip.boxes
        if prompts is None:
            found = self.predicted_boxes(clip)
            prompts, opinions = self.choose_prompts(found.boxes, found.box_scores)
        prompts = {t: {k: b.to(frames) for k, b in boxes.items()} for t, boxes in prompts.items()}
        if not any(prompts.values()):
            side = self.tracker.size // 4
            masks = frames.new_full((self.num_classes, len(frames), side, side), NO_OBJECT)
            nothing = frames.new_zeros(self.num_classes)
            return ClipPrediction(masks, nothing, nothing.bool())
        found = track_video(
            self.tracker, frames, prompts, self.num_classes,
            look=None if opinions is None else opinions.__getitem__, agreement=self.agreement,
        )  # fmt: skip
        masks = torch.stack([logits for _, logits in found], dim=1)
        prompted = {label for boxes in prompts.values() for label in boxes}
        present = torch.tensor([k in prompted for k in range(self.num_classes)])
        present = present.to(frames.device)
        return ClipPrediction(masks, present.float(), present)

    def predicted_boxes(self, clip: Clip) -> ClipPrediction:
        """What the box model says of a clip, with `boxes` and `box_scores`.

        Raises:
            ValueError: there is no box model, or it gives no boxes.
        """
        if self.box_model is None:
            raise ValueError(
                "there is no box to start from: give boxes, with --box or --boxes, the model a "
                "box_model, or take clips that bring boxes (PromptedMapper)"
            )
        (found,) = self.box_model([clip])
        if found.boxes is None:
            raise ValueError(
                "the box model gives no boxes: its decoder needs a box_head, as in phantom_boxes.py"
            )
        if len(found.boxes) != self.num_classes:
            raise ValueError(
                f"the box model knows {len(found.boxes)} classes, this model {self.num_classes}: "
                "both must be of the same dataset"
            )
        return found

    def choose_prompts(
        self, boxes: Tensor, scores: Tensor
    ) -> tuple[dict[int, Boxes], list[Opinions]]:
        """`choose_prompts` with this model's settings."""
        return choose_prompts(boxes, scores, every=self.every, least_score=self.least_score)
