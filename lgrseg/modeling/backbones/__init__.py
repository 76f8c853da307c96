"""Backbones: images (N, 3, H, W) to maps {"res2", ..., "res5"}; have `channels` and `strides`."""

from lgrseg.modeling.backbones.metaformer import MetaFormer
from lgrseg.modeling.backbones.pvt_v2 import PVTv2

__all__ = ["MetaFormer", "PVTv2"]
