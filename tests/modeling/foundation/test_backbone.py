"""Encoder and neck as one of the project's backbones."""

import pytest
import torch

from lgrseg.config import L, instantiate
from lgrseg.modeling.foundation import (
    FoundationBackbone,
    ResizedPyramid,
    ViTPyramid,
    build_encoder,
    frozen,
)


@pytest.mark.parametrize("size", [(64, 64), (70, 101)])
def test_levels_of_every_kind(tiny, kind, size):
    encoder = tiny(kind)
    stride, width = encoder.strides[-1], encoder.channels[-1]
    neck = ViTPyramid(in_channels=width, stride=stride, dim=8) if stride < 32 else None
    backbone = FoundationBackbone(encoder=encoder, neck=neck).eval()
    features = backbone(torch.rand(2, 3, *size))
    assert list(features) == ["res2", "res3", "res4", "res5"]
    for name, level in features.items():
        s = backbone.strides[name]
        wanted = (2, backbone.channels[name], -(-size[0] // s), -(-size[1] // s))
        assert level.shape == wanted


def test_cached_maps_give_what_images_give(tiny):
    """Images of models are multiples of 32, so the maps alone tell the levels' sizes."""
    encoder = tiny("dinov2_small")
    backbone = FoundationBackbone(encoder=encoder, neck=ViTPyramid(in_channels=32, stride=14))
    images = torch.rand(1, 3, 352, 320)
    maps = backbone.encoder(images)
    assert maps[0].shape[-2:] == (26, 23)  # 25.1 and 22.9 patches
    for name, level in backbone(images).items():
        assert torch.equal(backbone.neck(maps)[name], level)


def test_one_map_needs_a_neck(tiny):
    with pytest.raises(ValueError, match=r"give it a neck, ViTPyramid\(in_channels=32, stride=16"):
        FoundationBackbone(encoder=tiny("mae_base"))


def test_a_neck_for_another_encoder(tiny):
    with pytest.raises(ValueError, match="give the neck in_channels=32, stride=14"):
        neck = ResizedPyramid(in_channels=384, stride=14)
        FoundationBackbone(encoder=tiny("dinov2_small"), neck=neck)


def test_a_config_describes_it():
    config = L(FoundationBackbone)(
        encoder=L(frozen)(
            encoder=L(build_encoder)(
                name="dinov2_small",
                weights=None,
                hidden_size=32,
                num_hidden_layers=1,
                num_attention_heads=2,
            )
        ),
        neck=L(ViTPyramid)(in_channels=32, stride=14, dim=8),
    )
    backbone = instantiate(config)
    assert not any(p.requires_grad for p in backbone.encoder.parameters())
    assert backbone(torch.rand(1, 3, 32, 32))["res2"].shape == (1, 8, 8, 8)


def test_several_layers_from_a_config():
    config = L(build_encoder)(
        name="mae_base",
        layers=[0, 1, 1, -1],
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
    )
    encoder = instantiate(config)
    neck = ViTPyramid(in_channels=32, stride=16, dim=8)
    features = FoundationBackbone(encoder=encoder, neck=neck)(torch.rand(1, 3, 64, 64))
    assert features["res5"].shape == (1, 8, 2, 2)
