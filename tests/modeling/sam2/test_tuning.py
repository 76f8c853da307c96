"""lgrseg/modeling/sam2/tuning.py."""

import pytest
import torch

from lgrseg.modeling.foundation.tuning import attention_projections
from lgrseg.modeling.sam2.network import build_sam2
from lgrseg.modeling.sam2.tracker import Sam2Tracker
from lgrseg.modeling.sam2.tuning import frozen_image_encoder, lora_image_encoder


def masks(sam):
    tracker = Sam2Tracker(sam)
    frame = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    found, _ = tracker.prompt(tracker.embed(frame[None])[0], torch.tensor([[10.0, 10, 40, 40]]), 0)
    return found.candidates


def trained(sam):
    sam.zero_grad()
    masks(sam).sum().backward()
    return {n for n, p in sam.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}


def test_a_frozen_encoder_gets_no_gradient():
    names = trained(frozen_image_encoder(sam=build_sam2(variant="nano", size=64)))
    assert not any(name.startswith("vision_encoder") for name in names)
    assert any(name.startswith("mask_decoder") for name in names)


def test_adapters_are_added_to_attention_alone():
    """Not to the projections beside it, with which blocks change their width."""
    encoder = build_sam2(variant="nano", size=64).vision_encoder
    names = attention_projections(encoder)
    assert names == [
        f"backbone.blocks.{block}.attn.{part}" for block in range(5) for part in ("qkv", "proj")
    ]
    assert "backbone.blocks.1.proj" in dict(encoder.named_modules())


def test_adapters_alone_are_trained_and_start_as_nothing():
    pytest.importorskip("peft")
    torch.manual_seed(0)
    sam = build_sam2(variant="nano", size=64).eval()
    before = masks(sam).detach()
    adapted = lora_image_encoder(sam=sam, rank=4)
    assert torch.equal(masks(adapted), before)
    names = {name for name in trained(adapted) if name.startswith("vision_encoder")}
    assert names and all("lora_B" in name for name in names)  # A waits for B to leave zero
    sizes = {name: p.numel() for name, p in adapted.vision_encoder.named_parameters()}
    adapters = sum(size for name, size in sizes.items() if "lora" in name)
    assert adapters < 0.1 * sum(sizes.values())
