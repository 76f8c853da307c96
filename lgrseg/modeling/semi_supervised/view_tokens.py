"""Tokens of views, which self-distillation compares.

Letters: B videos, Q frame queries, D width.
"""

from typing import Protocol

import torch
from einops import rearrange
from torch import Tensor

from lgrseg.layers.clip_batch import clip_generators
from lgrseg.structures import Clip


class Encoding(Protocol):
    """A model that computes features of clips, such as LGRNet."""

    def encode(
        self, clips: list[Clip], generators: list[torch.Generator] | None = None
    ) -> dict[str, Tensor]:
        """Compute features by name, see `LGREncoder.forward`."""
        ...


def tokens_of(
    model: Encoding, clips: list[Clip], num_videos: int, *, train: bool = False
) -> dict[str, Tensor]:
    """Compute tokens of views: "query" (views, B, Q, D) and "clip" (views, B, 1, D).

    Args:
        model: model with a method `encode`.
        clips: views of one shape; first the first views of all videos, then the second ones, ...
        num_videos: number B of videos.
        train: True to use stochastic depth, with the generators of the clips.
    """
    features = model.encode(clips, clip_generators(clips) if train else None)
    tokens = {
        "query": features["frame_queries"].mean(dim=1),
        "clip": features["res5"].mean(dim=(1, 3, 4))[:, None],
    }
    return {k: rearrange(z, "(v b) q d -> v b q d", b=num_videos) for k, z in tokens.items()}


def by_view(views: list[list[Clip]]) -> list[Clip]:
    """Reorder views: first the first views of all videos, then the second ones, ..."""
    return [clip for same in zip(*views, strict=True) for clip in same]
