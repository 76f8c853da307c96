"""Rates of a model one can count, and what is refused."""

import pytest
import torch
from torch import nn

from lgrseg.config import L, instantiate
from lgrseg.engine.layer_decay import build_adamw_layer_decay
from lgrseg.modeling.foundation import (
    FoundationBackbone,
    InterleavedEncoder,
    InterleavedNeck,
    ViTPyramid,
    build_encoder,
    frozen,
    unfrozen_last,
)

VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28}
HIERA = {"embed_dim": 8, "depths": [1, 1, 2, 1], "num_heads": [1, 1, 1, 1]}


class Segmenter(nn.Module):
    def __init__(self, encoder, neck=None):
        super().__init__()
        self.backbone = FoundationBackbone(encoder=encoder, neck=neck)
        self.head = nn.Conv2d(8, 2, 1)


def rates(model, optimizer):
    """{name: (rate, decay)} of the trained parameters."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)].removeprefix("backbone."): (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


def vit():
    return Segmenter(build_encoder("dinov2_small", **VIT), ViTPyramid(in_channels=32, stride=14))


def test_two_blocks_by_hand():
    """Half the rate in the last block, a quarter in the first, an eighth in the embeddings."""
    model = vit()
    optimizer = build_adamw_layer_decay(model, lr=1.0, layer_decay=0.5, weight_decay=0.1)
    found = rates(model, optimizer)
    encoder = "encoder.model"
    assert found[f"{encoder}.embeddings.patch_embeddings.projection.weight"] == (0.125, 0.1)
    assert found[f"{encoder}.embeddings.cls_token"] == (0.125, 0.0)
    assert found[f"{encoder}.embeddings.position_embeddings"] == (0.125, 0.0)
    assert found[f"{encoder}.encoder.layer.0.mlp.fc1.weight"] == (0.25, 0.1)
    assert found[f"{encoder}.encoder.layer.0.norm1.weight"] == (0.25, 0.0)
    assert found[f"{encoder}.encoder.layer.1.mlp.fc1.weight"] == (0.5, 0.1)
    assert found[f"{encoder}.layernorm.weight"] == (1.0, 0.0)
    assert found["head.weight"] == (1.0, 0.1) and found["head.bias"] == (1.0, 0.0)
    assert found["neck.scale.res3.weight"] == (1.0, 0.1)
    trained = [p for p in model.parameters() if p.requires_grad]
    assert len(found) == len(trained)


def test_stages_are_counted_through():
    model = Segmenter(build_encoder("hiera_tiny", **HIERA))
    found = rates(model, build_adamw_layer_decay(model, lr=1.0, layer_decay=0.5))
    stages = "encoder.model.encoder.stages"
    assert found["encoder.model.embeddings.position_embeddings"] == (0.5**6, 0.0)
    assert found[f"{stages}.0.layers.0.mlp.fc1.weight"][0] == 0.5**5
    assert found[f"{stages}.2.layers.1.mlp.fc1.weight"][0] == 0.5**2
    assert found[f"{stages}.3.layers.0.mlp.fc1.weight"][0] == 0.5


def test_what_stands_between_blocks_goes_with_the_next():
    """A downsampling of DINOv3's ConvNeXt has the rate of the block behind it."""
    sizes = {"hidden_sizes": [8, 16, 32, 64], "depths": [1, 1, 1, 1]}
    model = Segmenter(build_encoder("dinov3_convnext_tiny", **sizes))
    found = rates(model, build_adamw_layer_decay(model, lr=1.0, layer_decay=0.5))
    stages = "encoder.model.model.stages"
    assert found[f"{stages}.0.downsample_layers.0.weight"][0] == 0.5**5  # the stem
    assert found[f"{stages}.1.downsample_layers.1.weight"][0] == 0.5**3
    assert found[f"{stages}.1.layers.0.pointwise_conv1.weight"][0] == 0.5**3


def test_each_of_two_encoders_has_its_own_depth():
    encoder = InterleavedEncoder(
        stages=build_encoder("hiera_tiny", **HIERA), patches=build_encoder("dinov2_small", **VIT)
    )
    neck = InterleavedNeck(stage_channels=(8, 16, 32, 64), patch_channels=32)
    model = Segmenter(encoder, neck)
    found = rates(model, build_adamw_layer_decay(model, lr=1.0, layer_decay=0.5))
    hiera, dino = "encoder.stages.model.encoder.stages", "encoder.patches.model.encoder"
    assert found[f"{hiera}.0.layers.0.mlp.fc1.weight"][0] == 0.5**5
    assert found[f"{dino}.layer.0.mlp.fc1.weight"][0] == 0.5**2
    assert found["neck.project.weight"][0] == 1.0


def test_only_what_is_trained_is_given_to_it():
    model = Segmenter(
        unfrozen_last(encoder=build_encoder("dinov2_small", **VIT), num_blocks=1),
        ViTPyramid(in_channels=32, stride=14),
    )
    found = rates(model, build_adamw_layer_decay(model, lr=1.0, layer_decay=0.5))
    assert {rate for name, (rate, _) in found.items() if ".layer.1." in name} == {0.5}
    assert not any(".layer.0." in name or "embeddings" in name for name in found)


def test_a_frozen_encoder_leaves_one_rate():
    encoder = frozen(encoder=build_encoder("dinov2_small", **VIT))
    model = Segmenter(encoder, ViTPyramid(in_channels=32, stride=14))
    found = rates(model, build_adamw_layer_decay(model, lr=0.1))
    assert {rate for rate, _ in found.values()} == {0.1}


def test_a_step_moves_early_blocks_less():
    model = vit()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = build_adamw_layer_decay(model, lr=0.01, layer_decay=0.5, weight_decay=0.0)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    name = "backbone.encoder.model.encoder.layer.{}.mlp.fc1.bias"
    moved = dict(model.named_parameters())
    steps = [(moved[name.format(i)] - before[name.format(i)]).abs().mean() for i in (0, 1)]
    assert steps[0].item() == pytest.approx(0.0025, rel=1e-3)  # Adam's first step is the rate
    assert steps[1].item() == pytest.approx(0.005, rel=1e-3)


def test_a_config_describes_it():
    config = L(build_adamw_layer_decay, partial=True)(lr=0.1, layer_decay=0.9)
    optimizer = instantiate(config)(vit())
    assert max(group["lr"] for group in optimizer.param_groups) == 0.1


@pytest.mark.parametrize("decay", [0, 1.5])
def test_decays_outside_0_to_1(decay):
    with pytest.raises(ValueError, match=f"layer_decay is above 0 and at most 1, not {decay}"):
        build_adamw_layer_decay(vit(), lr=1.0, layer_decay=decay)


def test_a_model_without_an_encoder():
    with pytest.raises(ValueError, match="the model has none; use lgrseg.engine.solver.build_adam"):
        build_adamw_layer_decay(nn.Linear(1, 1), lr=1.0)
