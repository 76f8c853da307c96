"""Every kind of encoder, small enough for a test."""

import pytest

from lgrseg.modeling.foundation import build_encoder

VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
TINY = {
    "dinov2_small": VIT | {"image_size": 56},
    "dinov2_small_registers": VIT | {"image_size": 56},
    "dinov3_vits16": VIT | {"intermediate_size": 64},
    "usfm_base": VIT | {"intermediate_size": 64, "image_size": 64},
    "mae_base": VIT | {"intermediate_size": 64, "image_size": 64},
    "dinov3_convnext_tiny": {"hidden_sizes": [8, 16, 32, 64], "depths": [1, 1, 2, 1]},
    "hiera_tiny": {
        "embed_dim": 8,
        "depths": [1, 1, 2, 1],
        "num_heads": [1, 1, 2, 2],
        "image_size": [64, 64],
    },
    "sam2_hiera_tiny": {
        "hidden_size": 8,
        "embed_dim_per_stage": [8, 16, 32, 64],
        "blocks_per_stage": [1, 1, 2, 1],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "global_attention_blocks": [3],
    },
    "swin_tiny": {"embed_dim": 8, "depths": [1, 2, 1, 1], "num_heads": [1, 1, 2, 2]},
    "resnet18": {
        "embedding_size": 8,
        "hidden_sizes": [8, 16, 32, 64],
        "depths": [1, 1, 1, 1],
    },
    "resnet50": {
        "embedding_size": 8,
        "hidden_sizes": [16, 32, 64, 128],
        "depths": [1, 1, 1, 1],
    },
}


@pytest.fixture
def tiny():
    """`tiny("hiera_tiny", weights=...)`: the encoder of that name, small, in eval mode."""

    def build(name, **more):
        return build_encoder(name, **(TINY[name] | more)).eval()

    return build


@pytest.fixture
def tiny_settings():
    """Settings of every kind of encoder that make it small; EfficientNet-Lite0 has none."""
    return TINY | {"efficientnet_lite0": {}}


def pytest_generate_tests(metafunc):
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", TINY)
