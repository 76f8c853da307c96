"""Mix Transformer, the backbone of SegFormer, by transformers.

Source: Xie et al., "SegFormer", NeurIPS 2021, section 3.1. Differences from transformers: initial
weights are drawn as in the public code of the paper, because transformers gives all of them a
deviation of 0.02, with which depthwise convolutions begin almost at zero. Random numbers of
stochastic depth come from the clip, and drop both branches of a block together.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from lgrseg.layers.drop_path import DropPath
from lgrseg.modeling.backbones.pvt_v2 import initialise

VARIANTS = {
    "b0": ((32, 64, 160, 256), (2, 2, 2, 2)),
    "b1": ((64, 128, 320, 512), (2, 2, 2, 2)),
    "b2": ((64, 128, 320, 512), (3, 4, 6, 3)),
}
"""Widths and depths of the four stages."""


class MixTransformer(nn.Module):
    """Mix Transformer with random weights; frames are images of their own."""

    def __init__(
        self,
        *,
        variant: str = "b0",
        drop_path_rate: float = 0.1,
        depths: Sequence[int] | None = None,
    ):
        """Make a backbone.

        Args:
            variant: "b0", "b1" or "b2".
            drop_path_rate: probability that the last block is dropped; earlier blocks are dropped
                less.
            depths: number of blocks of the four stages; None for those of the variant.

        Raises:
            ValueError: there is no such variant.
        """
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, not {variant!r}")
        from transformers import SegformerConfig, SegformerModel
        from transformers.models.segformer.modeling_segformer import (
            SegformerDropPath,
            SegformerLayer,
        )

        dims, depths = VARIANTS[variant][0], list(depths or VARIANTS[variant][1])
        self.channels = {f"res{i + 2}": dim for i, dim in enumerate(dims)}
        self.strides = {"res2": 4, "res3": 8, "res4": 16, "res5": 32}
        config = SegformerConfig(hidden_sizes=dims, depths=depths, drop_path_rate=drop_path_rate)
        self.stages = SegformerModel(config).stages
        self.apply(initialise)
        for block in self.modules():
            if isinstance(block, SegformerLayer) and isinstance(block.drop_path, SegformerDropPath):
                block.add_module("drop_path", DropPath(block.drop_path.drop_prob))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W), H and W multiples of 32 -> {"res2": (N, C, H/4, W/4), ..., "res5"}."""
        features = {}
        for name, stage in zip(self.channels, self.stages, strict=True):
            images = stage(images)
            features[name] = images
        return features
