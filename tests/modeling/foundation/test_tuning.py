"""What is trained, what stands still, and how both are counted."""

import sys

import pytest
import torch

from lgrseg.layers.complexity import trained_share
from lgrseg.modeling.foundation import (
    FoundationBackbone,
    frozen,
    unfrozen_last,
    with_lora,
)


def trained(module):
    return {name for name, parameter in module.named_parameters() if parameter.requires_grad}


def test_nothing_of_a_frozen_encoder_moves(tiny, kind):
    encoder = frozen(encoder=tiny(kind))
    model = torch.nn.Sequential(encoder).train()
    assert not any(module.training for module in encoder.modules())
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    maps = encoder(torch.rand(2, 3, 64, 64) + 3)
    assert not any(found.requires_grad for found in maps)
    for name, value in encoder.state_dict().items():  # also batch statistics
        assert torch.equal(value, before[name]), name
    assert model.training and not trained(encoder)


@pytest.mark.parametrize("name", ["dinov2_small", "hiera_tiny", "resnet18"])
def test_the_last_block_is_trained_and_what_comes_after_it(tiny, name):
    encoder = unfrozen_last(encoder=tiny(name), num_blocks=1)
    encoder.train()
    last, *others = encoder.blocks[::-1]
    assert all(p.requires_grad for p in last.parameters()) and last.training
    assert not any(p.requires_grad for block in others for p in block.parameters())
    assert not any(block.training for block in others)
    names = trained(encoder)
    norm = {"dinov2_small": "model.layernorm.", "hiera_tiny": "model.pooler.layernorm."}.get(name)
    assert norm is None or {f"{norm}weight", f"{norm}bias"} <= names
    assert not any("embed" in trained_name for trained_name in names)
    sum(found.sum() for found in encoder(torch.rand(2, 3, 64, 64))).backward()
    with_gradient = {n for n, p in encoder.named_parameters() if p.grad is not None}
    assert with_gradient == names


@pytest.mark.parametrize("number", [0, 3])
def test_blocks_that_are_not_there(tiny, number):
    with pytest.raises(ValueError, match=f"num_blocks must be 1 to 2 .* not {number}"):
        unfrozen_last(encoder=tiny("mae_base"), num_blocks=number)


def test_all_blocks_are_not_the_embeddings(tiny):
    encoder = unfrozen_last(encoder=tiny("dinov2_small"), num_blocks=2)
    assert not any("embeddings" in name for name in trained(encoder))


@pytest.mark.parametrize(
    "name",
    ["dinov2_small", "dinov3_vits16", "usfm_base", "hiera_tiny", "sam2_hiera_tiny", "swin_tiny"],
)
def test_adapters_alone_are_trained_and_start_as_nothing(tiny, name):
    pytest.importorskip("peft")
    encoder = tiny(name)
    images = torch.rand(1, 3, 64, 64)
    before = encoder(images)
    attended = {
        module for n, module in encoder.named_modules() if n.endswith(("attention", "attn"))
    }
    assert with_lora(encoder=encoder, rank=2) is encoder
    for found, wanted in zip(encoder(images), before, strict=True):
        assert torch.allclose(found, wanted, atol=1e-5)
    names = trained(encoder)
    assert names and all(".lora_A." in n or ".lora_B." in n for n in names)
    adapted = {n.split(".lora_")[0].rpartition(".")[0] for n in names}
    assert len(adapted) == len(attended)  # every attention has some
    sum(found.sum() for found in encoder.train()(images)).backward()
    moved = {n for n, p in encoder.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved and all(".lora_B." in n for n in moved)  # A waits for B to leave zero


def test_adapters_need_peft(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r'adapters need peft: pip install "lgrseg\[peft\]"'):
        with_lora(encoder=tiny("dinov2_small"))


def test_adapters_need_attention(tiny):
    with pytest.raises(
        ValueError, match="adapters are added to attention, but this encoder has none"
    ):
        with_lora(encoder=tiny("resnet18"))


def test_the_share_by_hand():
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    model[0].requires_grad_(False)
    assert trained_share(model) == (3, 11)


def test_the_share_of_a_frozen_backbone(tiny):
    backbone = FoundationBackbone(encoder=frozen(encoder=tiny("resnet18")))
    own, total = trained_share(backbone)
    assert own == 0 and total == sum(p.numel() for p in backbone.parameters())
