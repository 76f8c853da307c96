"""Heads: from a backbone's maps to a score per class and pixel, (N, K + 1, h, w).

A head is called with the maps by name. A head with other losses than Dice and cross-entropy has a
method `losses(features, truth)` (see SegViT).
"""

from lgrseg.modeling.heads.conv_head import ConvHead
from lgrseg.modeling.heads.deeplab import DeepLabV3Plus
from lgrseg.modeling.heads.fpn_head import FPNHead
from lgrseg.modeling.heads.linear_probe import LinearProbe, PixelHead
from lgrseg.modeling.heads.segformer import AllMlpHead
from lgrseg.modeling.heads.segvit import SegViT
from lgrseg.modeling.heads.unet_decoder import UNetDecoder
from lgrseg.modeling.heads.upernet import UPerNet

__all__ = [
    "AllMlpHead",
    "ConvHead",
    "DeepLabV3Plus",
    "FPNHead",
    "LinearProbe",
    "PixelHead",
    "SegViT",
    "UNetDecoder",
    "UPerNet",
]
