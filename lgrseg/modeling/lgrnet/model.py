"""BASIC LGRNet: backbone, local-global encoder, masked decoder, for clips of any length.

Source: Xu et al., "LGRNet: Local-Global Reciprocal Network for Uterine Fibroid Segmentation in
Ultrasound Videos", MICCAI 2024; docs/design.md lists what differs from its public code.
"""

import dataclasses
import math
from collections.abc import Mapping

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
from lgrseg.layers.position_encoding import sine_time
from lgrseg.modeling.contracts import ClipModel
from lgrseg.modeling.lgrnet.decoder import DecoderOutput
from lgrseg.modeling.lgrnet.public_release import from_public, is_public
from lgrseg.modeling.semi_supervised.model import student_of
from lgrseg.structures import Clip, ClipPrediction, ClipTargets

ABSENT = -1024.0
"""Mask logit of a class on a frame where a causal model does not know of it."""


class LGRNet(ClipModel):
    """Segments every frame of a clip; one query answers for one structure through the clip."""

    def __init__(
        self,
        *,
        backbone: nn.Module,
        encoder: nn.Module,
        decoder: nn.Module,
        criterion: nn.Module,
        pixel_mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
        pixel_std: tuple[float, float, float] = (0.229, 0.224, 0.225),
        presence_threshold: float = 0.5,
        time_period: float | None = None,
    ):
        """Put the parts together.

        Args:
            backbone: images (N, 3, H, W) to maps "res2" to "res5".
            encoder: maps of clips to maps of one width; with `connect(backbone)`, `causal`.
            decoder: these to classes and masks of queries; with `num_classes`, `num_queries`,
                `causal`.
            criterion: outputs and targets to losses; with `num_classes`.
            pixel_mean: of frames of 0 to 1, RGB; the default is ImageNet's.
            pixel_std: likewise.
            presence_threshold: a class is in a clip where its surest query is surer than this.
            time_period: tell the model when frames were taken, in frames of the video: this many
                are one round of the fastest wave (see `sine_time`). None tells their place in the
                clip alone. A causal model (`causal` of encoder and decoder), in which nothing that
                is said of a frame depends on later ones, needs it.

        Raises:
            ValueError: a period that is not above 0, an encoder made for another backbone, a
                criterion for other classes, or a model that is causal in part.
        """
        super().__init__()
        if time_period is not None and not time_period > 0:
            raise ValueError(f"time_period is above 0, or null for none, not {time_period}")
        if criterion.num_classes != decoder.num_classes:
            raise ValueError(
                f"decoder.num_classes is {decoder.num_classes}, criterion.num_classes "
                f"{criterion.num_classes}: both are the dataset's"
            )
        if encoder.causal != decoder.causal:
            raise ValueError(
                f"encoder.causal is {encoder.causal}, decoder.causal {decoder.causal}: one that "
                "hears of later frames tells the other; set both alike"
            )
        if encoder.causal and time_period is None:
            raise ValueError(
                "a causal model needs time_period, in frames: without it frames are told their "
                "place in the clip, which depends on how many are still to come"
            )
        encoder.connect(backbone)
        self.backbone = backbone
        self.encoder = encoder
        self.decoder = decoder
        self.criterion = criterion
        self.normalizer = ImageNormalizer(mean=pixel_mean, std=pixel_std)
        self.num_classes = decoder.num_classes
        self.presence_threshold = presence_threshold
        self.time_period = time_period

    def loss_totals(self, targets: list[ClipTargets]) -> dict[str, float]:
        """What the losses of these clips are divided by; sums over batches are a larger batch's."""
        boxes = self.decoder.box_head is not None
        return self.criterion.totals(targets, self.decoder.num_queries, boxes=boxes)

    def forward(
        self,
        clips: list[Clip],
        targets: list[ClipTargets] | None = None,
        totals: Mapping[str, float | Tensor] | None = None,
    ) -> dict[str, Tensor] | list[ClipPrediction]:
        """Losses of a batch in training mode, one prediction a clip otherwise.

        Height and width are padded to a multiple of 32 with black (bottom and right); what is
        returned covers the unpadded input.

        Args:
            clips: of one shape.
            targets: of every clip, in training.
            totals: what to divide the losses by; by default the mean of `loss_totals(targets)` over
                processes. A trainer that adds up batches gives the mean over these too, so that
                the mean of the parts' gradients is the gradient of the whole.

        Raises:
            ValueError: clips of one batch differ in shape, or training without targets.
        """
        generators = clip_generators(clips) if self.training else None
        outputs = self.decode(clips, generators)
        size = clips[0].frames.shape[-2:]
        if not self.training:
            output = on_input(outputs[-1], size)
            return [prediction_of(output, b, self.presence_threshold) for b in range(len(clips))]
        if targets is None:
            raise ValueError("a model in training mode needs targets; call .eval() to predict")
        outputs = [on_input(output, size) for output in outputs]
        totals = totals or mean_over_processes(self.loss_totals(targets), clips[0].frames.device)
        return self.criterion(outputs, targets, totals=totals, generators=generators)

    def translate(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weights under this model's names.

        Known are LGRNet's public release, and a semi-supervised model, whose student is taken.
        """
        if is_public(weights):
            return from_public(weights, self.state_dict())
        return student_of(weights)

    def encode(
        self, clips: list[Clip], generators: list[torch.Generator] | None = None
    ) -> dict[str, Tensor]:
        """What the encoder makes of clips of one shape (see `LGREncoder.forward`).

        `generators`, one a clip, draw the branches that stochastic depth leaves out.
        """
        return self._encode(stack_clips(clips), generators, self._time(clips))

    def decode(
        self, clips: list[Clip], generators: list[torch.Generator] | None = None
    ) -> list[DecoderOutput]:
        """Classes and masks after every decoder layer, over the padded input."""
        frames, time = stack_clips(clips), self._time(clips)
        return self.decoder(self._encode(frames, generators, time), time)

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
    """What was said of the padded input, said of the input of `size` (H, W)."""
    masks, boxes = output.mask_logits, output.boxes
    if boxes is not None:
        height, width = (SIZE_DIVISOR * math.ceil(side / SIZE_DIVISOR) for side in size)
        stretch = torch.tensor([width / size[1], height / size[0]]).repeat(2)
        boxes = boxes * to_device(stretch, boxes.device)
    return dataclasses.replace(output, mask_logits=crop_to_input(masks, size), boxes=boxes)


def prediction_of(output: DecoderOutput, clip: int, presence_threshold: float) -> ClipPrediction:
    """For each class, the query that is surest of it, its mask and boxes."""
    if output.frame_class_logits is not None:
        return _prediction_by_frame(output, clip, presence_threshold)
    probs = output.class_logits[clip].float().softmax(dim=-1)[:, :-1]  # Q K
    class_probs, query = probs.max(dim=0)
    boxes = {}
    if output.boxes is not None:
        scores = class_probs[:, None] * output.objectness[clip][query].sigmoid()
        boxes = {"boxes": output.boxes[clip][query], "box_scores": scores}
    return ClipPrediction(
        mask_logits=output.mask_logits[clip][query],
        class_probs=class_probs,
        present=class_probs > presence_threshold,
        **boxes,
    )


def _prediction_by_frame(
    output: DecoderOutput, clip: int, presence_threshold: float
) -> ClipPrediction:
    """The same of a causal model, which chooses at every frame by what it knows there.

    A class that is not in the clip as far as is known at a frame has no mask there.
    """
    probs = output.frame_class_logits[clip].float().softmax(dim=-1)[..., :-1]  # T Q K
    frame_probs, query = (values.T for values in probs.max(dim=1))  # K T
    frames = torch.arange(len(probs), device=query.device)
    present = frame_probs > presence_threshold
    masks = output.mask_logits[clip][query, frames].where(present[..., None, None], ABSENT)
    boxes = {}
    if output.boxes is not None:
        scores = frame_probs * output.objectness[clip][query, frames].sigmoid()
        boxes = {"boxes": output.boxes[clip][query, frames], "box_scores": scores}
    return ClipPrediction(
        mask_logits=masks,
        class_probs=frame_probs.amax(dim=1),
        present=present.any(dim=1),
        **boxes,
    )
