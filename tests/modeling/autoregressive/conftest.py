"""A small AR-SEG from random weights."""

import pytest
import torch

from lgrseg.modeling.autoregressive.image_tokens import ImageTokens
from lgrseg.modeling.autoregressive.orders import NextScale
from lgrseg.modeling.autoregressive.quantizers import VectorQuantizer
from lgrseg.modeling.autoregressive.segmenter import ARSegmenter
from lgrseg.modeling.autoregressive.teaching import Teacher
from lgrseg.modeling.autoregressive.tokenizer import MaskTokenizer
from lgrseg.modeling.autoregressive.trunk import Trunk
from lgrseg.modeling.heads.per_pixel import UNet


@pytest.fixture
def build():
    """A function that builds a small model from random weights, with some settings changed."""

    def build_model(*, num_classes=2, max_tokens=2048, **settings):
        torch.manual_seed(0)
        tokenizer = MaskTokenizer(
            num_classes=num_classes, quantizer=VectorQuantizer(num_codes=32, dim=4)
        )
        parts = {
            "order": NextScale(),
            "tokenizer": tokenizer,
            "teacher": Teacher(),
            "num_classes": num_classes,
            "image_tokens": ImageTokens(channels={"res0": 4}, strides={"res0": 1}, width=32),
        }
        trunk = {"width": 32, "depth": 2, "num_heads": 2, "num_kv_heads": 1, "mlp_width": 32}
        return ARSegmenter(
            backbone=UNet(width=4, num_levels=2),
            trunk=Trunk(**trunk, max_tokens=max_tokens),
            **parts | settings,
        )

    return build_model
