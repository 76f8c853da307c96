"""BOX-SAM2: true or predicted boxes are prompts of SAM 2, which tracks objects through a clip.

Every chamber is one connected object, so segmentation has two parts: finding its box, and
segmenting the object inside the box (tracker.py).

Letters: B clips, T frames, K classes, N objects of a clip.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from lgrseg.comm.processes import mean_over_processes
from lgrseg.layers.clip_batch import ImageNormalizer, clip_generators, stack_clips
from lgrseg.layers.numerics import divide
from lgrseg.modeling.contracts import ClipModel
from lgrseg.modeling.losses.criterion import SetCriterion
from lgrseg.modeling.sam2.box_tracking import track_video
from lgrseg.modeling.sam2.box_training import draw_starts, follow_both_ways, jittered
from lgrseg.modeling.sam2.mask_candidates import TrackLosses
from lgrseg.modeling.sam2.predicted_boxes import (
    Boxes,
    Opinions,
    boxes_of_model,
    check_prompt_settings,
    choose_prompts,
)
from lgrseg.modeling.sam2.records import NO_OBJECT, Embedding
from lgrseg.modeling.sam2.tracker import Sam2Tracker
from lgrseg.structures import Clip, ClipPrediction, ClipTargets
from lgrseg.structures.boxes import boxes_of_masks


class BoxSam2(ClipModel):
    """Tracks one object per class from its boxes.

    For prediction, boxes come from the clip (`Clip.boxes`) or, if it has none, from `box_model`. If
    no box is predicted in the whole clip, the prediction is empty.
    """

    criterion: SetCriterion
    num_classes: int

    def __init__(
        self,
        *,
        sam: nn.Module,
        criterion: SetCriterion,
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
        """Combine the parts of the model.

        Args:
            sam: SAM 2 model from `build_sam2`.
            criterion: criterion whose mask losses are used.
            num_classes: number K of classes.
            box_model: model that predicts boxes, such as a `FrozenRun` of an LGRNet with box head.
            every: number of frames between prompts with predicted boxes; 0 prompts only on the
                frame with the highest score.
            least_score: smallest score of predicted boxes that are used, 0 to 1.
            agreement: IoU of tracked mask and predicted box, 0 to 1. Below it, the one with the
                higher confidence is used. If this is the box, the object is prompted again.
            jitter: largest random shift of the corners of true boxes in training, as a fraction of
                the size of the box.
            predicted_share: share of the training clips, 0 to 1, that are prompted with boxes of
                the box model instead of true boxes, if their scores are high enough. The box model
                was trained on these clips, so its boxes are better here than on test clips.
            max_prompted: number of prompted frames in the memory of an object, including the first.
            iou_weight: weight of the loss of the predicted IoU of masks.
            pixel_mean: mean of each RGB channel (0 to 1), which is subtracted.
            pixel_std: standard deviation of each RGB channel, by which it is divided.

        Raises:
            ValueError: a setting is out of range, or `predicted_share` is above 0 without a box
                model.
        """
        super().__init__()
        check_prompt_settings(
            every,
            least_score=least_score,
            agreement=agreement,
            jitter=jitter,
            predicted_share=predicted_share,
        )
        if predicted_share and box_model is None:
            raise ValueError(
                f"predicted_share={predicted_share} needs boxes: set box_model, or "
                "predicted_share=0"
            )
        self.tracker = Sam2Tracker(sam, max_prompted=max_prompted)
        self.criterion = criterion
        self.num_classes = num_classes
        self.box_model = box_model
        self.every, self.least_score, self.agreement = every, least_score, agreement
        self.jitter, self.predicted_share = jitter, predicted_share
        self.iou_weight = iou_weight
        self.normalizer = ImageNormalizer(mean=pixel_mean, std=pixel_std)

    def loss_totals(self, targets: Sequence[ClipTargets]) -> dict[str, float]:
        """Normalisers of the losses of these clips; those of batches can be added.

        Returns:
            "mask": number of objects x annotated frames that show them. "object": number of objects
            x annotated frames. It includes only objects that are in at least one of these frames,
            because the others cannot be prompted.
        """
        masks = predictions = 0.0
        for target in targets:
            present = target.masks[:, target.annotated_frames].flatten(2).any(dim=2)  # N A
            masks += float(present.sum())
            predictions += float(present.any(dim=1).sum()) * len(target.annotated_frames)
        return {"mask": masks, "object": predictions}

    def forward(
        self,
        clips: list[Clip],
        targets: list[ClipTargets] | None = None,
        totals: Mapping[str, float | Tensor] | None = None,
    ) -> dict[str, Tensor] | list[ClipPrediction]:
        """Return losses in training mode, otherwise one prediction per clip.

        Args:
            clips: clips of one shape, with the frame size of the tracker.
            targets: targets of every clip, needed in training.
            totals: normalisers of the losses, as in LGRNet.forward.

        Raises:
            ValueError: clips have another size, targets are missing in training, or there are no
                boxes.
        """
        frames = self.prepared(clips)
        if not self.training:
            return [self._predict(f, clip) for f, clip in zip(frames, clips, strict=True)]
        if targets is None:
            raise ValueError("a model in training mode needs targets; call .eval() to predict")
        totals = totals or mean_over_processes(self.loss_totals(targets), frames.device)
        generators = clip_generators(clips)
        # Only frames are encoded as one batch; objects are tracked clip by clip.
        embeddings, length = self.tracker.embed(frames.flatten(0, 1)), frames.shape[1]
        of_clips = [embeddings[i : i + length] for i in range(0, len(embeddings), length)]
        parts = [
            self._track(*each) for each in zip(clips, of_clips, targets, generators, strict=True)
        ]
        # The losses of a batch without objects are 0, but need a gradient.
        zero = 0 * next(self.tracker.parameters()).sum()
        side = self.tracker.size // 4
        rows = [part.rows(zero.expand(0, side, side)) for part in parts]
        losses = self.criterion.mask_losses(rows, totals, generators)
        iou = zero + sum(part.iou_loss for part in parts)
        absence = zero + sum(part.object_loss for part in parts)
        return {name: loss[0] for name, loss in losses.items()} | {
            "loss_iou": self.iou_weight * divide(iou, totals["mask"]),
            "loss_object": divide(absence, totals["object"]),
        }

    def prepared(self, clips: list[Clip]) -> Tensor:
        """Stack and normalise clips: (B, T, 3, size, size).

        Raises:
            ValueError: clips have another size.
        """
        frames, size = stack_clips(clips), self.tracker.size
        if frames.shape[-2:] != (size, size):
            raise ValueError(
                f"this SAM 2 needs frames of {size} x {size}, not {tuple(frames.shape[-2:])}: set "
                f"input_size=[{size}, {size}] in the mappers, or another size in build_sam2"
            )
        return self.normalizer(frames)

    # -- training -----------------------------------------------------------------------------

    def _track(
        self,
        clip: Clip,
        frames: Sequence[Embedding],
        target: ClipTargets,
        generator: torch.Generator,
    ) -> TrackLosses:
        """Prompt every object of one clip, track it to both ends, and compare it with the truth."""
        boxes, present = boxes_of_masks(target.masks)  # N T 4, N T
        present = present.cpu()  # Python code selects the tracked objects
        starts = draw_starts(present, target.annotated_frames, generator)
        first = {n: jittered(boxes[n, t], self.jitter, generator) for n, t in starts.items()}
        first |= self._predicted_first(clip, target, starts, generator) if starts else {}
        losses = TrackLosses(target.masks, present, self.criterion.weights)
        follow_both_ways(self.tracker, frames, first, starts, losses, target.annotated_frames)
        return losses

    def _predicted_first(
        self, clip: Clip, target: ClipTargets, starts: dict[int, int], generator: torch.Generator
    ) -> Boxes:
        """Predicted boxes with high scores for the objects that start on these frames.

        A random share of the clips has such boxes; the result is empty for the others.
        """
        number = torch.rand((), generator=generator, device=generator.device)
        if number >= self.predicted_share:
            return {}
        boxes, scores = self._boxes_and_scores(clip)
        labels = target.labels.tolist()
        is_sure = (scores >= self.least_score).tolist()
        return {n: boxes[labels[n], t] for n, t in starts.items() if is_sure[labels[n]][t]}

    # -- prediction ---------------------------------------------------------------------------

    def _predict(self, frames: Tensor, clip: Clip) -> ClipPrediction:
        opinions = None
        prompts = clip.boxes
        if prompts is None:
            prompts, opinions = self.choose_prompts(*self._boxes_and_scores(clip))
        prompts = {t: {k: b.to(frames) for k, b in boxes.items()} for t, boxes in prompts.items()}
        if not any(prompts.values()):
            side = self.tracker.size // 4
            masks = frames.new_full((self.num_classes, len(frames), side, side), NO_OBJECT)
            zeros = frames.new_zeros(self.num_classes)
            return ClipPrediction(masks, zeros, zeros.bool())
        tracked = track_video(
            self.tracker, frames, prompts, self.num_classes,
            look=None if opinions is None else opinions.__getitem__, agreement=self.agreement,
        )  # fmt: skip
        masks = torch.stack([logits for _, logits in tracked], dim=1)
        prompted = {label for boxes in prompts.values() for label in boxes}
        present = torch.tensor([k in prompted for k in range(self.num_classes)])
        present = present.to(frames.device)
        return ClipPrediction(masks, present.float(), present)

    def predicted_boxes(self, clip: Clip) -> ClipPrediction:
        """Prediction of the box model for a clip, with `boxes` and `box_scores`.

        Raises:
            ValueError: there is no box model, or it does not predict boxes.
        """
        return boxes_of_model(self.box_model, clip, self.num_classes)

    def _boxes_and_scores(self, clip: Clip) -> tuple[Tensor, Tensor]:
        """Boxes (K, T, 4) and scores (K, T) of the box model."""
        prediction = self.predicted_boxes(clip)
        assert prediction.boxes is not None and prediction.box_scores is not None
        return prediction.boxes, prediction.box_scores

    def choose_prompts(
        self, boxes: Tensor, scores: Tensor
    ) -> tuple[dict[int, Boxes], list[Opinions]]:
        """Call `choose_prompts` with the settings of this model."""
        return choose_prompts(boxes, scores, every=self.every, least_score=self.least_score)
