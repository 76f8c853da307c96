"""An encoder of single frames as a student of self-distillation (DINO).

`LocalGlobalDistillation` compares frame queries and the coarsest map of a video model. Here the
global token of the encoder takes the place of both, so it has two heads.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from lgrseg.layers.clip_batch import ImageNormalizer, stack_clips
from lgrseg.layers.drop_path import draw_drop_paths
from lgrseg.modeling.contracts import ClipModel, Losses
from lgrseg.modeling.foundation.encoder import Encoder
from lgrseg.modeling.pretraining.pretraining_model import NO_MASKS
from lgrseg.structures import Clip


class FrameEncoder(ClipModel):
    """An encoder without a head, which `SemiSupervised` trains without labels."""

    predicts_masks = False

    def __init__(
        self,
        *,
        backbone: Encoder,
        pixel_mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
        pixel_std: tuple[float, float, float] = (0.229, 0.224, 0.225),
    ):
        """Wrap an encoder.

        Args:
            backbone: encoder that is trained.
            pixel_mean: mean of each RGB channel (0 to 1), which is subtracted.
            pixel_std: standard deviation of each RGB channel, by which it is divided.
        """
        super().__init__()
        self.backbone = backbone
        self.normalizer = ImageNormalizer(mean=pixel_mean, std=pixel_std, divisor=1)

    def encode(
        self, clips: list[Clip], generators: list[torch.Generator] | None = None
    ) -> dict[str, Tensor]:
        """Compute features of B clips of T frames.

        Args:
            clips: clips of one shape.
            generators: generators of stochastic depth, one per clip; None for none.

        Returns:
            The token D of each frame as "frame_queries" (B, T, 1, D) and "res5" (B, T, D, 1, 1).
        """
        images = self.normalizer(stack_clips(clips))
        num_clips, num_frames = images.shape[:2]
        if generators is not None:
            draw_drop_paths(self.backbone, generators, num_frames)
        tokens = self.backbone.forward_token(rearrange(images, "b t c h w -> (b t) c h w"))
        return {
            "frame_queries": rearrange(tokens, "(b t) d -> b t 1 d", b=num_clips),
            "res5": rearrange(tokens, "(b t) d -> b t d 1 1", b=num_clips),
        }

    def forward(
        self,
        clips: list[Clip],
        targets: Sequence[Any] | None = None,
        totals: Mapping[str, float | Tensor] | None = None,
    ) -> Losses:
        """Raise a ValueError, because an encoder alone neither predicts nor learns from labels."""
        raise ValueError(
            f"{NO_MASKS}; pretraining needs no labelled clips: set dataloader.train.batch_size=0"
        )
