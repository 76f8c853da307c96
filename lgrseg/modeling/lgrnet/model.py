"""BASIC LGRNet: backbone, local-global encoder and masked decoder, for clips of any length.

Source: Xu et al., "LGRNet: Local-Global Reciprocal Network for Uterine Fibroid Segmentation in
Ultrasound Videos", MICCAI 2024; docs/design.md lists the differences from its public code.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import torch
from einops import rearrange
from torch import Tensor, nn

from lgrseg.comm.processes import mean_over_processes
from lgrseg.layers.clip_batch import (
    SIZE_DIVISOR,
    ImageNormalizer,
    clip_generators,
    crop_to_input,
    stack_clips,
    to_device,
)
from lgrseg.layers.drop_path import draw_drop_paths
from lgrseg.layers.map_size import map_size
from lgrseg.layers.position_encoding import sine_time
from lgrseg.modeling.contracts import ClipModel
from lgrseg.modeling.lgrnet.decoder import DecoderOutput, class_maps
from lgrseg.modeling.lgrnet.parts import ClipEncoder, QueryCriterion, QueryDecoder
from lgrseg.modeling.lgrnet.pixel_head import AuxiliaryPixelHead
from lgrseg.modeling.lgrnet.public_release import from_public, is_public
from lgrseg.modeling.semi_supervised.model import student_of
from lgrseg.structures import Clip, ClipPrediction, ClipTargets

ABSENT = -1024.0
"""Mask logit of a class on frames at which a causal model has not yet detected it."""


class LGRNet(ClipModel):
    """Segments every frame of a clip; one query predicts one structure in the whole clip."""

    encoder: ClipEncoder
    decoder: QueryDecoder
    criterion: QueryCriterion
    num_classes: int

    def __init__(
        self,
        *,
        backbone: nn.Module,
        encoder: ClipEncoder,
        decoder: QueryDecoder,
        criterion: QueryCriterion,
        pixel_mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
        pixel_std: tuple[float, float, float] = (0.229, 0.224, 0.225),
        presence_threshold: float = 0.5,
        time_period: float | None = None,
        pixel_head: AuxiliaryPixelHead | None = None,
    ):
        """Combine the parts of the model; parts.py lists the interface of each part.

        Args:
            backbone: module from images (N, 3, H, W) to maps "res2" to "res5".
            encoder: module from maps of clips to maps of one width.
            decoder: module from these maps to classes and masks of queries.
            criterion: module from outputs and targets to losses.
            pixel_mean: mean of each RGB channel (0 to 1), which is subtracted; by default that of
                ImageNet.
            pixel_std: standard deviation of each RGB channel, by which it is divided.
            presence_threshold: probability, 0 to 1. A class is in the clip if its best query has a
                higher probability.
            time_period: period of the fastest wave of the time encoding, in frames of the video
                (see `sine_time`); None encodes only the index of a frame in the clip. A causal
                model (`causal` of encoder and decoder) needs a period; its outputs for a frame do
                not depend on later frames.
            pixel_head: head that classifies every pixel too; None for queries only.

        Raises:
            ValueError: the period is not above 0, the encoder was made for another backbone, the
                criterion or the pixel head has other classes, or only one of encoder and decoder
                is causal.
        """
        super().__init__()
        if time_period is not None and not time_period > 0:
            raise ValueError(f"time_period must be above 0, or null, not {time_period}")
        for name, part in (("criterion", criterion), ("pixel_head", pixel_head)):
            if part is not None and part.num_classes != decoder.num_classes:
                raise ValueError(
                    f"decoder.num_classes is {decoder.num_classes}, but {name}.num_classes is "
                    f"{part.num_classes}: set both to the number of classes of the dataset"
                )
        if encoder.causal != decoder.causal:
            raise ValueError(
                f"encoder.causal is {encoder.causal}, but decoder.causal is {decoder.causal}: a "
                "model is causal only if both are; set them to the same value"
            )
        if encoder.causal and time_period is None:
            raise ValueError(
                "a causal model needs time_period, in frames: otherwise the index of a frame in "
                "the clip is encoded relative to the clip's length, which includes later frames"
            )
        encoder.connect(backbone)
        self.backbone = backbone
        self.encoder = encoder
        self.decoder = decoder
        self.criterion = criterion
        self.pixel_head = pixel_head
        self.normalizer = ImageNormalizer(mean=pixel_mean, std=pixel_std)
        self.num_classes = decoder.num_classes
        self.presence_threshold = presence_threshold
        self.time_period = time_period

    def loss_totals(self, targets: Sequence[ClipTargets]) -> dict[str, float]:
        """Normalisers of the losses of these clips; those of batches can be added."""
        boxes = self.decoder.box_head is not None
        totals = self.criterion.totals(targets, self.decoder.num_queries, boxes=boxes)
        if self.pixel_head is not None:
            totals["frames"] = float(sum(len(target.annotated_frames) for target in targets))
        return totals

    def forward(
        self,
        clips: list[Clip],
        targets: list[ClipTargets] | None = None,
        totals: Mapping[str, float | Tensor] | None = None,
    ) -> dict[str, Tensor] | list[ClipPrediction]:
        """Return losses in training mode, otherwise one prediction per clip.

        Frames are padded with black to multiples of 32 at the bottom and right; the returned maps
        cover the unpadded input.

        Args:
            clips: clips of one shape.
            targets: targets of every clip, needed in training.
            totals: normalisers of the losses; by default the mean of `loss_totals(targets)` over
                processes. A trainer that accumulates gradients over batches passes the mean over
                these batches too, so that the mean gradient is that of one large batch.

        Raises:
            ValueError: clips of a batch differ in shape, or targets are missing in training.
        """
        generators = clip_generators(clips) if self.training else None
        time = self._time(clips)
        features = self._encode(stack_clips(clips), generators, time)
        outputs = self.decoder(features, time)
        size, fine = map_size(clips[0].frames), features["mask_features"]
        if not self.training:
            output, threshold = on_input(outputs[-1], size), self.presence_threshold
            predictions = [prediction_of(output, b, threshold) for b in range(len(clips))]
            return (
                self.pixel_head.average(predictions, fine, size) if self.pixel_head else predictions
            )
        if targets is None:
            raise ValueError("a model in training mode needs targets; call .eval() to predict")
        outputs = [on_input(output, size) for output in outputs]
        totals = totals or mean_over_processes(self.loss_totals(targets), clips[0].frames.device)
        losses = self.criterion(outputs, targets, totals=totals, generators=generators)
        if self.pixel_head is not None:
            losses |= self.pixel_head.losses(fine, targets, num_frames=totals["frames"])
        return losses

    def translate(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert the names of weights to those of this model.

        Supported are weights of LGRNet's public release, and of a semi-supervised model, whose
        student is used.
        """
        if is_public(weights):
            return from_public(weights, self.state_dict())
        return student_of(weights)

    def encode(
        self, clips: list[Clip], generators: list[torch.Generator] | None = None
    ) -> dict[str, Tensor]:
        """Compute the encoder's outputs for clips of one shape (see `LGREncoder.forward`).

        `generators`, one per clip, give the random numbers of stochastic depth.
        """
        return self._encode(stack_clips(clips), generators, self._time(clips))

    def decode(
        self, clips: list[Clip], generators: list[torch.Generator] | None = None
    ) -> list[DecoderOutput]:
        """Compute classes and masks after every decoder layer, for the padded input."""
        frames, time = stack_clips(clips), self._time(clips)
        return self.decoder(self._encode(frames, generators, time), time)

    def class_probabilities(
        self, clips: list[Clip], generators: list[torch.Generator] | None = None
    ) -> Tensor:
        """Compute the probability of each class at each pixel (see contracts.Segmenter)."""
        output = self.decode(clips, generators)[-1]
        return crop_to_input(class_maps(output), map_size(clips[0].frames))

    def _encode(self, frames: Tensor, generators, time: Tensor | None) -> dict[str, Tensor]:
        num_clips, frames = len(frames), self.normalizer(frames)
        if generators is not None:
            draw_drop_paths(self.backbone, generators, frames.shape[1])
        features = self.backbone(rearrange(frames, "b t c h w -> (b t) c h w"))
        features = {
            name: rearrange(feature, "(b t) c h w -> b t c h w", b=num_clips)
            for name, feature in features.items()
        }
        return self.encoder(features, time)

    def _time(self, clips: list[Clip]) -> Tensor | None:
        if self.time_period is None:
            return None
        times = torch.stack([clip.frame_indices for clip in clips])
        times = to_device(times, clips[0].frames.device)
        return sine_time(times, self.decoder.query_features.embedding_dim, self.time_period)


def on_input(output: DecoderOutput, size: tuple[int, int]) -> DecoderOutput:
    """Crop outputs for the padded input to the input of `size` (H, W)."""
    masks, boxes = output.mask_logits, output.boxes
    if boxes is not None:
        height, width = (SIZE_DIVISOR * math.ceil(side / SIZE_DIVISOR) for side in size)
        stretch = torch.tensor([width / size[1], height / size[0]]).repeat(2)
        boxes = boxes * to_device(stretch, boxes.device)
    return dataclasses.replace(output, mask_logits=crop_to_input(masks, size), boxes=boxes)


def prediction_of(output: DecoderOutput, clip: int, presence_threshold: float) -> ClipPrediction:
    """Use the query with the highest probability of each class, with its mask and boxes."""
    if output.frame_class_logits is not None:
        logits = output.frame_class_logits[clip]
        return _prediction_by_frame(output, logits, clip, presence_threshold)
    probs = output.class_logits[clip].float().softmax(dim=-1)[:, :-1]  # Q K
    class_probs, query = probs.max(dim=0)
    boxes = {}
    if output.boxes is not None:
        assert output.objectness is not None  # a box head gives both
        scores = class_probs[:, None] * output.objectness[clip][query].sigmoid()
        boxes = {"boxes": output.boxes[clip][query], "box_scores": scores}
    return ClipPrediction(
        mask_logits=output.mask_logits[clip][query],
        class_probs=class_probs,
        present=class_probs > presence_threshold,
        **boxes,
    )


def _prediction_by_frame(
    output: DecoderOutput, class_logits: Tensor, clip: int, presence_threshold: float
) -> ClipPrediction:
    """Like `prediction_of` for a causal model, which selects queries at every frame.

    A class has no mask on frames before the model has detected it. `class_logits` (T, Q, K + 1)
    are those of the clip's frames.
    """
    probs = class_logits.float().softmax(dim=-1)[..., :-1]  # T Q K
    frame_probs, query = (values.T for values in probs.max(dim=1))  # K T
    frames = torch.arange(len(probs), device=query.device)
    present = frame_probs > presence_threshold
    masks = output.mask_logits[clip][query, frames].where(present[..., None, None], ABSENT)
    boxes = {}
    if output.boxes is not None:
        assert output.objectness is not None  # a box head gives both
        scores = frame_probs * output.objectness[clip][query, frames].sigmoid()
        boxes = {"boxes": output.boxes[clip][query, frames], "box_scores": scores}
    return ClipPrediction(
        mask_logits=masks,
        class_probs=frame_probs.amax(dim=1),
        present=present.any(dim=1),
        **boxes,
    )
