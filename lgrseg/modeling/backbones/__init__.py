"""Backbones: images (N, 3, H, W) to maps "res2" to "res5", with `channels` and `strides`."""

from lgrseg.modeling.backbones.metaformer import MetaFormer
from lgrseg.modeling.backbones.pvt_v2 import PVTv2
from lgrseg.modeling.backbones.segformer import MixTransformer

__all__ = ["MetaFormer", "MixTransformer", "PVTv2"]
