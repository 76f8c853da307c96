"""lgrseg/modeling/backbones/segformer.py and heads/segformer.py: SegFormer as a baseline."""

from dataclasses import replace

import pytest
import torch
from in_processes import sample

from lgrseg.config import instantiate, load_config
from lgrseg.layers.drop_path import DropPath
from lgrseg.modeling.backbones import MixTransformer
from lgrseg.modeling.heads import AllMlpHead

CHANNELS = {"res2": 32, "res3": 64, "res4": 160, "res5": 256}


def test_scores_are_those_of_transformers():
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    peer = SegformerForSemanticSegmentation(SegformerConfig(num_labels=4)).eval()
    backbone, head = MixTransformer().eval(), AllMlpHead(in_channels=CHANNELS, num_classes=3).eval()
    backbone.load_state_dict(
        {n.removeprefix("segformer."): v for n, v in peer.state_dict().items() if "decode" not in n}
    )
    head.decode.load_state_dict(peer.decode_head.state_dict())
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        features = backbone(images)
        assert torch.allclose(head(features), peer(images).logits, atol=1e-5)
    for name, maps in features.items():
        stride = backbone.strides[name]
        assert maps.shape == (2, CHANNELS[name], 64 // stride, 96 // stride)


def test_depth_drops_with_the_clip_and_the_depthwise_filters_start_open():
    backbone = MixTransformer(drop_path_rate=0.2)
    rates = [part.rate for part in backbone.modules() if isinstance(part, DropPath)]
    assert rates == pytest.approx([0.2 * i / 7 for i in range(1, 8)])  # the first is never dropped
    weights = backbone.stages[0].blocks[0].mlp.dwconv.dwconv.weight
    assert weights.std().item() == pytest.approx((2 / 9) ** 0.5, rel=0.1)
    with pytest.raises(ValueError, match="one of b0, b1, b2, not 'b9'"):
        MixTransformer(variant="b9")


def test_it_trains_and_predicts_and_repeats_itself():
    cfg = load_config("configs/baselines/segformer.py")
    model = instantiate(cfg.model)
    optimizer = instantiate(cfg.optimizer)(model)
    clips, targets = map(list, zip(*map(sample, (0, 1)), strict=True))
    clips = [replace(clip, seed=number) for number, clip in enumerate(clips)]
    first, again = (sum(model(clips, targets).values()) for _ in range(2))
    assert first.item() == again.item()  # with dropout: random numbers are those of the clip
    losses = []
    for _ in range(3):
        loss = sum(model(clips, targets).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[2] < losses[0]
    assert all(p.grad is not None for p in model.parameters())
    (prediction,) = model.eval()(clips[:1])
    size = [side // 4 for side in clips[0].frames.shape[-2:]]
    assert list(prediction.mask_logits.shape) == [3, 3, *size]
