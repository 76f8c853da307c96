"""Encoders with stages: the same numbers as transformers' own, at the sizes it can do."""

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange

from lgrseg.modeling.foundation.hiera import from_mask_units, in_mask_units


def test_hiera_is_that_of_transformers_at_its_own_size(tiny):
    encoder = tiny("hiera_tiny")
    images = torch.rand(2, 3, 64, 64)
    outputs = encoder.model(images, output_hidden_states=True)
    wanted = [rearrange(m, "n h w c -> n c h w") for m in outputs.reshaped_hidden_states[1:]]
    for found, stage in zip(encoder.stages(images), wanted, strict=True):
        assert torch.allclose(found, stage, atol=1e-5)
    assert torch.allclose(encoder.forward_token(images), outputs.pooler_output, atol=1e-5)


def test_hiera_at_another_size_is_one_built_for_it(tiny):
    """transformers' Hiera of 96 x 64 px, with the positions of 64 x 64 px interpolated."""
    from transformers import HieraConfig, HieraModel

    encoder = tiny("hiera_tiny")
    settings = encoder.model.config.to_dict() | {"image_size": [96, 64]}
    other = HieraModel(HieraConfig(**settings)).eval()
    weights = encoder.model.state_dict()
    grid = rearrange(weights["embeddings.position_embeddings"], "1 (h w) c -> 1 c h w", h=16)
    grid = F.interpolate(grid, (24, 16), mode="bicubic")
    weights["embeddings.position_embeddings"] = rearrange(grid, "1 c h w -> 1 (h w) c")
    other.load_state_dict(weights)
    images = torch.rand(1, 3, 96, 64)
    outputs = other(images, output_hidden_states=True)
    wanted = [rearrange(m, "n h w c -> n c h w") for m in outputs.reshaped_hidden_states[1:]]
    for found, stage in zip(encoder.stages(images), wanted, strict=True):
        assert torch.allclose(found, stage, atol=1e-5)


def test_mask_units_there_and_back():
    tokens = torch.arange(2 * 16 * 24.0).reshape(2, 16 * 24, 1)  # 2 x 3 units
    ordered = in_mask_units(tokens, (2, 3))
    # The tokens of one unit lie 6 apart, beginning with its corner; then the one 4 to the right.
    assert ordered[0, 0, 0] == 0 and ordered[0, 1, 0] == 8 and ordered[0, 3, 0] == 8 * 24
    assert ordered[0, 6, 0] == 4
    back = from_mask_units(ordered, (2, 3), times=3)
    assert torch.equal(rearrange(back, "n c h w -> n (h w) c"), tokens)
    # The maximum over the four parts is that over 2 x 2 neighbours.
    pooled = rearrange(ordered, "n (r s) c -> n r s c", r=4).amax(dim=1)
    image = rearrange(tokens, "n (h w) c -> n c h w", h=16)
    assert torch.equal(from_mask_units(pooled, (2, 3), times=2), F.max_pool2d(image, 2))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_query_pool": 2}, "Hiera pools by 2 x 2 three times"),
        ({"image_size": [64, 96]}, "image_size must be two equal numbers"),
    ],
)
def test_what_hiera_cannot_do(tiny, settings, message):
    with pytest.raises(ValueError, match=message):
        tiny("hiera_tiny", **settings)


def test_sam2_tiles_its_windows_over_any_size(tiny):
    """Position embeddings: a coarse map stretched over the image, and one window's, repeated."""
    encoder = tiny("sam2_hiera_tiny")
    model = encoder.model
    with torch.no_grad():
        model.pos_embed.normal_()
        model.pos_embed_window.normal_()
    stretched = F.interpolate(model.pos_embed, (24, 16), mode="bicubic")
    wanted = stretched + model.pos_embed_window.repeat(1, 1, 3, 2)
    found = model._get_pos_embed((24, 16))
    assert torch.allclose(rearrange(found, "n h w c -> n c h w"), wanted)
    # 70 x 50 px are padded to 96 x 64, whose maps that have 24 x 16 tokens.
    assert [m.shape[-2:] for m in encoder(torch.rand(1, 3, 70, 50))] == [
        (18, 13), (9, 7), (5, 4), (3, 2),
    ]  # fmt: skip


def test_sam2_windows_that_cannot_be_tiled(tiny):
    with pytest.raises(ValueError, match="it must be 8, 4, 2 or 1, not 7"):
        tiny("sam2_hiera_tiny", window_size_per_stage=[7, 4, 14, 7])


def test_a_small_image_leaves_swin_as_it_was(tiny):
    """transformers shrinks a window for good when a map smaller than it comes by."""
    encoder = tiny("swin_tiny")
    images = torch.rand(1, 3, 224, 224)
    before = encoder(images)
    encoder(torch.rand(1, 3, 32, 32))
    after = encoder(images)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_swin_is_that_of_transformers(tiny):
    encoder = tiny("swin_tiny")
    images = torch.rand(1, 3, 224, 224)
    wanted = encoder.model(images, always_partition=True)
    last = rearrange(encoder(images)[-1], "n c h w -> n (h w) c")
    assert torch.allclose(last, wanted.last_hidden_state, atol=1e-5)


@pytest.mark.parametrize("name", ["dinov3_convnext_tiny", "resnet18", "resnet50"])
def test_convolutional_encoders_are_those_of_transformers(tiny, name):
    encoder = tiny(name)
    images = torch.rand(2, 3, 64, 96)
    outputs = encoder.model(images)
    last = encoder(images)[-1]
    if name == "dinov3_convnext_tiny":  # the pooled token comes first
        wanted = rearrange(outputs.last_hidden_state[:, 1:], "n (h w) c -> n c h w", h=2)
    else:
        wanted = outputs.last_hidden_state
    assert torch.allclose(last, wanted, atol=1e-5)
    pooled = outputs.pooler_output.flatten(1)
    assert torch.allclose(encoder.forward_token(images), pooled, atol=1e-5)
