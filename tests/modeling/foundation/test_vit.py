"""Plain transformers: the same numbers as transformers' own, and positions at other sizes."""

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange

PLAIN = ["dinov2_small", "dinov2_small_registers", "dinov3_vits16", "usfm_base", "mae_base"]


@pytest.mark.parametrize("name", PLAIN)
def test_a_map_is_the_last_hidden_state_of_the_patches(tiny, name):
    encoder = tiny(name)
    stride = encoder.strides[0]
    images = torch.rand(2, 3, 3 * stride, 5 * stride)
    tokens = encoder.model(images, **encoder.arguments).last_hidden_state
    patches = rearrange(tokens[:, -15:], "n (h w) c -> n c h w", h=3)
    (found,) = encoder(images)
    assert torch.equal(found, patches)
    token = tokens[:, -15:].mean(dim=1) if name == "usfm_base" else tokens[:, 0]
    assert torch.equal(encoder.forward_token(images), token)


@pytest.mark.parametrize("name", PLAIN)
def test_maps_of_several_layers(tiny, name):
    """The map of block 0 is that of the same network with its last block taken out."""
    images = torch.rand(1, 3, 64, 64)
    encoder = tiny(name, layers=(0, -1))
    assert encoder.channels == [32, 32] and encoder.strides == encoder.strides[:1] * 2
    first, last = encoder(images)
    short = tiny(name, num_hidden_layers=1)
    weights = encoder.state_dict()
    short.load_state_dict({key: weights[key] for key in short.state_dict()})
    assert torch.allclose(first, short(images)[0], atol=1e-6)
    encoder.layers = None
    assert torch.equal(last, encoder(images)[0])


def test_a_layer_that_is_not_there(tiny):
    with pytest.raises(ValueError, match="layers must be 0 to 1 in this encoder, not 2"):
        tiny("dinov2_small", layers=(0, 2))


def test_positions_were_learnt_on_a_square(tiny):
    with pytest.raises(ValueError, match=r"image_size must be one number, not \(64, 32\)"):
        tiny("mae_base", image_size=(64, 32))


@pytest.mark.parametrize("name", ["dinov2_small", "dinov2_small_registers", "mae_base"])
def test_learnt_positions_are_stretched_over_the_image(tiny, name):
    """Positions 0, 1, 2, 3 by row, on 8 rows: still rising, about the same middle, by row only."""
    encoder = tiny(name)
    embeddings = encoder.model.embeddings
    rows = rearrange(torch.arange(4.0).expand(4, 4).T, "h w -> (h w) 1").expand(-1, 32)
    with torch.no_grad():
        embeddings.position_embeddings.copy_(torch.cat([torch.zeros(1, 32), rows])[None])
    stride = encoder.strides[0]
    height, width = 8 * stride, 4 * stride
    found = embeddings.interpolate_pos_encoding(torch.zeros(1, 33, 32), height, width)
    grid = rearrange(found[0, 1:, 0], "(h w) -> h w", h=8)
    assert (grid.diff(dim=0) > 0).all()
    assert torch.allclose(grid + grid.flip(0), torch.full_like(grid, 3.0), atol=1e-5)
    assert torch.allclose(grid, grid[:, :1].expand(-1, 4), atol=1e-5)


def test_relative_positions_at_another_size(tiny):
    """Of 6 x 4 patches where 4 x 4 were learnt: the bias of two patches by their offset."""
    encoder = tiny("usfm_base")
    bias = encoder.model.get_submodule(encoder._blocks)[0].relative_position_bias
    with torch.no_grad():
        bias.relative_position_bias_table.normal_()
    table = bias.relative_position_bias_table.detach()
    grid = rearrange(table[:-3], "(y x) m -> 1 m y x", y=7)  # offsets -3 to 3
    grid = F.interpolate(grid, (11, 7), mode="bilinear")[0]  # offsets -5 to 5 in y
    found = bias((6, 4))[0]  # heads, 1 + 24, 1 + 24
    for query in range(24):
        for key in range(24):
            y, x = query // 4 - key // 4 + 5, query % 4 - key % 4 + 3
            assert torch.allclose(found[:, 1 + query, 1 + key], grid[:, y, x], atol=1e-6)
    assert torch.equal(found[:, 0, 3], table[-3]) and torch.equal(found[:, 3, 0], table[-2])
    assert torch.equal(found[:, 0, 0], table[-1])


def test_relative_positions_matter_at_run_time(tiny):
    encoder = tiny("usfm_base")
    images = torch.rand(1, 3, 96, 70)
    before = encoder(images)[0]
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if name.endswith("relative_position_bias_table"):
                parameter.normal_()
    assert not torch.allclose(encoder(images)[0], before, atol=1e-4)


def test_rotary_positions_run_from_edge_to_edge(tiny):
    """Of 3 x 5 patches the middle one is at 0, the first at y = -2/3: cos(2 pi * -2/3) = -1/2."""
    encoder = tiny("dinov3_vits16")
    cos, sin = encoder.model.rope_embeddings(torch.zeros(1, 3, 48, 80))
    assert cos.shape == (15, 16)
    assert torch.allclose(cos[7], torch.ones(16)) and torch.allclose(sin[7], torch.zeros(16))
    assert cos[0, 0].item() == pytest.approx(-0.5, abs=1e-6)  # of y, the lowest frequency
    images = torch.rand(1, 3, 48, 80)
    flipped = encoder(images.flip(-1))[0].flip(-1)
    assert not torch.allclose(encoder(images)[0], flipped, atol=1e-4)
