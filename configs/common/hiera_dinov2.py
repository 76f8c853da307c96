"""Hiera and DINOv2, both frozen, interleaved; a U-Net decoder. The dataset sets the classes."""

from lgrseg.config import L
from lgrseg.modeling.foundation import (
    FoundationBackbone,
    InterleavedEncoder,
    InterleavedNeck,
    build_encoder,
    frozen,
)
from lgrseg.modeling.heads import UNetDecoder
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter

PROJECTED = 144
"""Channels to which DINOv2's feature map is projected before it is joined with Hiera's."""


def interleaved_backbone(hiera, width):
    """The backbone, and its channels by level; `width` is the width of Hiera's first stage."""
    stages = [width, 2 * width, 4 * width, 8 * width]
    backbone = L(FoundationBackbone)(
        encoder=L(frozen)(
            encoder=L(InterleavedEncoder)(
                stages=L(build_encoder)(name=hiera, weights=None),
                patches=L(build_encoder)(name="dinov2_small", weights=None),
            )
        ),
        neck=L(InterleavedNeck)(stage_channels=stages, patch_channels=384, dim=PROJECTED),
    )
    return backbone, {f"res{i + 2}": stage + PROJECTED for i, stage in enumerate(stages)}


def interleaved_model(hiera, width):
    """The backbone with a U-Net decoder at full resolution."""
    backbone, channels = interleaved_backbone(hiera, width)
    return L(PerPixelSegmenter)(
        backbone=backbone,
        head=L(UNetDecoder)(in_channels=channels, num_classes="${..num_classes}", upsample=4),
        num_classes="???",
    )
