"""Pretrained backbones: `FoundationBackbone(encoder=build_encoder(...), neck=...)`."""

from lgrseg.modeling.foundation.any_encoder import ResampledLevels, pyramid_of
from lgrseg.modeling.foundation.backbone import FoundationBackbone
from lgrseg.modeling.foundation.dilation import at_stride_16, dilated_if_resnet
from lgrseg.modeling.foundation.encoder import Encoder
from lgrseg.modeling.foundation.interleaved import InterleavedEncoder, InterleavedNeck
from lgrseg.modeling.foundation.pyramid import ResizedPyramid, ViTPyramid
from lgrseg.modeling.foundation.registry import ENCODERS, build_encoder
from lgrseg.modeling.foundation.tuning import frozen, unfrozen_last, with_lora

__all__ = [
    "ENCODERS",
    "Encoder",
    "FoundationBackbone",
    "InterleavedEncoder",
    "InterleavedNeck",
    "ResampledLevels",
    "ResizedPyramid",
    "ViTPyramid",
    "at_stride_16",
    "build_encoder",
    "dilated_if_resnet",
    "frozen",
    "pyramid_of",
    "unfrozen_last",
    "with_lora",
]
