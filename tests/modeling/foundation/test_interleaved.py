"""Hiera and DINOv2 side by side."""

import pytest
import torch

from lgrseg.layers.complexity import trained_share
from lgrseg.modeling.foundation import (
    FoundationBackbone,
    InterleavedEncoder,
    InterleavedNeck,
    frozen,
)
from lgrseg.modeling.foundation.pyramid import resample


@pytest.fixture
def encoder(tiny):
    stages, patches = frozen(encoder=tiny("hiera_tiny")), frozen(encoder=tiny("dinov2_small"))
    return InterleavedEncoder(stages=stages, patches=patches)


@pytest.fixture
def backbone(encoder):
    neck = InterleavedNeck(stage_channels=(8, 16, 32, 64), patch_channels=32, dim=12)
    return FoundationBackbone(encoder=encoder, neck=neck)


def test_the_patches_join_every_stage(encoder, backbone):
    images = torch.rand(2, 3, 224, 224)
    *stages, patches = encoder(images)
    assert patches.shape == (2, 32, 16, 16)
    features = backbone(images)
    projected = backbone.neck.project(patches)
    for (name, level), stage, side in zip(features.items(), stages, (56, 28, 14, 7), strict=True):
        assert level.shape == (2, backbone.channels[name], side, side)
        assert torch.equal(level[:, :-12], stage)
        joined = resample(projected, stride=14, to_stride=224 // side, size=(side, side))
        assert torch.equal(level[:, -12:], joined)
    assert backbone.channels == {"res2": 20, "res3": 28, "res4": 44, "res5": 76}


def test_the_defaults_are_hiera_large_and_dinov2_small():
    neck = InterleavedNeck()
    assert neck.project.weight.shape == (144, 384, 1, 1)
    assert neck.channels == {"res2": 288, "res3": 432, "res4": 720, "res5": 1296}


def test_the_patches_lie_where_the_stages_see_them(backbone):
    """What DINOv2 sees in the right quarter is joined to the right quarter of every level."""
    neck = backbone.neck
    maps = [torch.zeros(1, c, s, s) for c, s in zip((8, 16, 32, 64), (56, 28, 14, 7), strict=True)]
    patches = torch.zeros(1, 32, 16, 16)
    patches[..., 12:] = 1.0
    with torch.no_grad():
        neck.project.weight.fill_(1 / 32)
        neck.project.bias.zero_()
    for level in neck([*maps, patches]).values():
        row, width = level[0, -1, 0], level.shape[-1]
        assert (row[: width // 2] == 0).all() and row[-1].item() == pytest.approx(1)


def test_only_the_projection_is_trained(backbone):
    own, total = trained_share(backbone)
    assert own == 32 * 12 + 12
    assert total > 50 * own
    backbone.train()
    assert not any(
        module.training for module in backbone.encoder.modules() if module is not backbone.encoder
    )
    sum(level.sum() for level in backbone(torch.rand(1, 3, 64, 96)).values()).backward()
    assert backbone.neck.project.weight.grad is not None


def test_any_size_and_both_tokens(encoder, backbone):
    levels = backbone(torch.rand(1, 3, 70, 101))
    assert [tuple(level.shape[-2:]) for level in levels.values()] == [
        (18, 26), (9, 13), (5, 7), (3, 4),
    ]  # fmt: skip
    assert encoder.forward_token(torch.rand(2, 3, 64, 64)).shape == (2, 64 + 32)
    assert encoder.token_dim == 96 and len(encoder.blocks) == 5 + 2


def test_two_that_do_not_fit_together(tiny):
    with pytest.raises(ValueError, match="stages must have maps at strides"):
        InterleavedEncoder(stages=tiny("dinov2_small"), patches=tiny("hiera_tiny"))


def test_a_neck_for_other_encoders(encoder):
    with pytest.raises(ValueError, match=r"give the neck stage_channels=\[8, 16, 32, 64\], patch"):
        FoundationBackbone(encoder=encoder, neck=InterleavedNeck())
