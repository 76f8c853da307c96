"""Backbones: images (N, 3, H, W) in, {"res2", ..., "res5"} out; `channels`, `strides` known."""

from lgrseg.modeling.backbones.metaformer import MetaFormer
from lgrseg.modeling.backbones.pvt_v2 import PVTv2

__all__ = ["MetaFormer", "PVTv2"]
