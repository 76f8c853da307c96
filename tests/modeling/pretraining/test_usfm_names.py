"""What is pretrained here is saved in USFM's names, and loads as `usfm_*` with nothing missing."""

import pytest
import torch
from small_usfm import small_usfm

from lgrseg.modeling.pretraining.usfm_names import usfm_weights


@pytest.fixture
def trained():
    encoder = small_usfm().eval()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return encoder


def test_saved_weights_load_with_nothing_missing(trained, tmp_path, caplog):
    torch.save(usfm_weights(trained), tmp_path / "mine.pth")
    with caplog.at_level("INFO", logger="lgrseg"):
        loaded = small_usfm(weights=str(tmp_path / "mine.pth")).eval()
    table = dict(line.split()[:2] for line in caplog.text.splitlines() if line[:2] == "  ")
    assert (table["missing"], table["unexpected"], table["reshaped"]) == ("0", "0", "0")
    for name, tensor in trained.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    images = torch.rand(1, 3, 64, 64)
    assert torch.equal(loaded(images)[0], trained(images)[0])


def test_the_names_and_shapes_are_those_of_usfm(trained):
    weights = usfm_weights(trained)
    assert len(weights) == 5 + 2 * 16
    assert weights["blocks.1.attn.qkv.weight"].shape == (96, 32)
    queries, keys, values = weights["blocks.1.attn.qkv.weight"].split(32)
    attention = trained.model.layers[1].attention
    assert torch.equal(queries, attention.q_proj.weight)
    assert torch.equal(keys, attention.k_proj.weight)
    assert torch.equal(values, attention.v_proj.weight)
    assert torch.equal(
        weights["blocks.0.attn.v_bias"], trained.model.layers[0].attention.v_proj.bias
    )
    assert torch.equal(weights["blocks.0.gamma_2"], trained.model.layers[0].lambda_2)
    assert torch.equal(weights["norm.bias"], trained.model.layernorm.bias)


def test_an_encoder_of_another_form_is_refused():
    mae = small_usfm("mae_base")
    with pytest.raises(ValueError, match="only encoders usfm_tiny, usfm_small and usfm_base"):
        usfm_weights(mae)
