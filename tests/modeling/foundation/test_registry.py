"""Names, settings and sizes of the published encoders."""

import pytest
import torch

from lgrseg.modeling.foundation import ENCODERS, build_encoder

MILLIONS = {
    "dinov2_small": 22.06,
    "dinov2_small_registers": 22.06,
    "dinov2_base": 86.58,
    "dinov2_base_registers": 86.58,
    "dinov2_large": 304.37,
    "dinov2_large_registers": 304.37,
    "dinov3_vits16": 21.60,
    "dinov3_vitb16": 85.66,
    "dinov3_vitl16": 303.13,
    "dinov3_convnext_tiny": 27.82,
    "dinov3_convnext_small": 49.45,
    "dinov3_convnext_base": 87.57,
    "dinov3_convnext_large": 196.23,
    "hiera_tiny": 27.14,
    "hiera_small": 34.24,
    "hiera_base": 50.76,
    "hiera_base_plus": 69.00,
    "hiera_large": 212.59,
    "sam2_hiera_nano": 1.17,
    "sam2_hiera_tiny": 26.85,
    "sam2_hiera_small": 33.95,
    "sam2_hiera_base_plus": 68.68,
    "sam2_hiera_large": 212.15,
    "swin_tiny": 27.52,
    "swin_base": 86.74,
    "usfm_tiny": 5.52,
    "usfm_small": 21.65,
    "usfm_base": 85.76,
    "mae_tiny": 5.52,
    "mae_small": 21.67,
    "mae_base": 85.80,
    "resnet18": 11.18,
    "resnet50": 23.51,
    "vfm4us_resnet18": 11.18,
    "efficientnet_lite0": 2.96,
}
"""Parameters without a head. With 1000 classes these are the papers' 27.9 M (Hiera tiny), 213.7 M
(Hiera large), 28.3 M (Swin tiny), 11.7 M (ResNet-18), 25.6 M (ResNet-50)."""


@pytest.mark.parametrize("name", ENCODERS)
def test_sizes_are_the_published_ones(name):
    with torch.device("meta"):  # shapes, no numbers
        encoder = build_encoder(name)
    total = sum(parameter.numel() for parameter in encoder.parameters())
    assert total / 1e6 == pytest.approx(MILLIONS[name], abs=0.01)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="no encoder 'dinov2_smal'; did you mean 'dino"):
        build_encoder("dinov2_smal")
    with pytest.raises(ValueError, match="available are: dinov2_small, .*vfm4us_resnet18"):
        build_encoder("a_name_like_no_other")


def test_an_unknown_setting_is_answered_with_the_nearest():
    message = "dinov2_small has no setting 'num_hidden_layer'; did you mean 'num_hidden_layers'"
    with pytest.raises(ValueError, match=message):
        build_encoder("dinov2_small", num_hidden_layer=2)


def test_layers_are_of_plain_transformers():
    with pytest.raises(ValueError, match="resnet18 already has four stages"):
        build_encoder("resnet18", layers=(1, 2))
