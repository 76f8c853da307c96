"""lgrseg/modeling/heads: sizes, gradients, and what small heads compute, by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lgrseg.layers.channel_dropout import ChannelDropout, draw_channel_dropout
from lgrseg.modeling.foundation import (
    FoundationBackbone,
    ResizedPyramid,
    build_encoder,
    frozen,
)
from lgrseg.modeling.heads import (
    ConvHead,
    FPNHead,
    LinearProbe,
    PixelHead,
    SegViT,
    UNetDecoder,
    UPerNet,
)
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter
from lgrseg.modeling.heads.upernet import PyramidPooling
from lgrseg.structures import Clip, ClipTargets

CHANNELS = {"res2": 8, "res3": 16, "res4": 24, "res5": 32}
HEADS = {
    "fpn": lambda k: FPNHead(in_channels=CHANNELS, num_classes=k, dim=16),
    "unet": lambda k: UNetDecoder(in_channels=CHANNELS, num_classes=k, dims=(16, 16, 8)),
    "upernet": lambda k: UPerNet(in_channels=CHANNELS, num_classes=k, dim=16),
    "segvit": lambda k: SegViT(
        in_channels=CHANNELS, num_classes=k, dim=16, num_heads=2, num_layers=1
    ),
    "conv": lambda k: ConvHead(in_channels=24, num_classes=k, dims=(16, 8)),
    "probe": lambda k: LinearProbe(in_channels=24, num_classes=k),
}


def maps_of(height, width, num_images=2):
    """A backbone's maps of images of this size, each side the stride's, rounded up."""
    torch.manual_seed(0)
    return {
        name: torch.randn(num_images, c, -(-height // s), -(-width // s), requires_grad=True)
        for (name, c), s in zip(CHANNELS.items(), (4, 8, 16, 32), strict=True)
    }


@pytest.mark.parametrize("size", [(64, 96), (50, 37), (32, 32)], ids=str)
@pytest.mark.parametrize("name", HEADS)
def test_scores_of_any_size(name, size):
    features = maps_of(*size)
    for num_classes in (1, 3):
        head = HEADS[name](num_classes)
        scores = head(features)
        stride = 16 if name == "probe" else 4
        if name == "conv":  # four times a map whose sides were rounded up
            wanted = [4 * side for side in features["res4"].shape[-2:]]
        else:
            wanted = [-(-side // stride) for side in size]
        assert list(scores.shape) == [2, num_classes + 1, *wanted]
        scores.square().sum().backward()
        assert all(p.grad is not None for p in head.parameters())
    reached = {name for name, feature in features.items() if feature.grad is not None}
    assert reached == ({"res4"} if name in ("conv", "probe") else set(CHANNELS))


class Pyramid(nn.Module):
    """Four maps of an image, without parameters."""

    def forward(self, images):
        maps = {}
        for (name, channels), stride in zip(CHANNELS.items(), (4, 8, 16, 32), strict=True):
            pooled = F.avg_pool2d(images, stride)
            maps[name] = pooled.mean(dim=1, keepdim=True) * torch.arange(1, channels + 1)[
                :, None, None
            ].to(images)
        return maps


@pytest.mark.parametrize("name", HEADS)
def test_every_head_trains_in_a_segmenter(name):
    torch.manual_seed(0)
    model = PerPixelSegmenter(backbone=Pyramid(), head=HEADS[name](1), num_classes=1)
    frames = torch.rand(2, 1, 70, 50)
    masks = torch.zeros(1, 2, 70, 50, dtype=torch.bool)
    masks[:, 0, 10:40, 10:30] = True
    target = ClipTargets(torch.tensor([True, False]), torch.tensor([0]), masks)
    losses = model([Clip(frames, torch.arange(2), "v", seed=1)], [target])
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    (prediction,) = model.eval()([Clip(frames, torch.arange(2), "v")])
    assert prediction.mask_logits.shape == (1, 2, 70, 50)


def test_unet_decoder_goes_to_full_resolution_without_parameters():
    features = maps_of(64, 64)
    torch.manual_seed(1)
    at_stride_4 = UNetDecoder(in_channels=CHANNELS, num_classes=2, dims=(16, 16, 8))
    whole = UNetDecoder(in_channels=CHANNELS, num_classes=2, dims=(16, 16, 8), upsample=4)
    whole.load_state_dict(at_stride_4.state_dict())
    wanted = F.interpolate(at_stride_4(features), scale_factor=4, mode="bilinear")
    assert torch.allclose(whole(features), wanted, atol=1e-6)


def test_unet_decoder_wants_a_width_a_step():
    with pytest.raises(ValueError, match=r"4 maps need 3 widths.* not 2: \[16, 8\]"):
        UNetDecoder(in_channels=CHANNELS, num_classes=1, dims=[16, 8])
    with pytest.raises(ValueError, match="multiple of 8, not 12"):
        UNetDecoder(in_channels=CHANNELS, num_classes=1, dims=[16, 16, 12])


def test_linear_probe_by_hand():
    # One channel of values 1 and 3: normalised to -1 and 1, then weight 2 and bias 1.
    probe = LinearProbe(in_channels=1, num_classes=1)
    with torch.no_grad():
        probe.classify.weight.fill_(2.0)
        probe.classify.bias.fill_(1.0)
    scores = probe({"res4": torch.tensor([[[[1.0, 3.0]]]])})
    assert torch.allclose(scores, torch.tensor([-1.0, 3.0]).expand(1, 2, 1, 2), atol=1e-4)


def test_conv_head_is_what_it_says():
    features = {"res3": torch.randn(2, 6, 5, 7)}
    head = ConvHead(in_channels=6, num_classes=2, feature="res3", dims=(8, 4), upsample=3).eval()
    first, norm, _, _, second, other_norm, _, _ = head.layers
    maps = F.gelu(norm(F.conv2d(features["res3"], first.weight, padding=1)))
    maps = F.gelu(other_norm(F.conv2d(maps, second.weight, padding=1)))
    wanted = F.interpolate(head.classify(maps), (15, 21), mode="bilinear", align_corners=False)
    assert torch.allclose(head(features), wanted, atol=1e-6)


def test_conv_head_without_hidden_layers_is_linear():
    head = ConvHead(in_channels=6, num_classes=2, dims=(), upsample=1)
    assert sum(p.numel() for p in head.parameters()) == 6 * 3 + 3


def test_a_map_that_is_not_there():
    with pytest.raises(ValueError, match="has res2, not 'res4'; set head.feature"):
        PixelHead(in_channels=4, num_classes=1, feature="res4")({"res2": torch.rand(1, 4, 2, 2)})


def test_pyramid_pooling_sees_the_whole_image():
    pooling = PyramidPooling(in_channels=8, dim=16, bins=(1,)).eval()
    maps = torch.randn(1, 8, 4, 6)
    changed = maps.clone()
    changed[..., 0, 0] += 5  # a corner: far from what the 3 x 3 convolution sees at the other end
    difference = (pooling(changed) - pooling(maps)).abs().amax(dim=1)[0]
    assert difference[-1, -1] > 0


def test_dropout_by_hand():
    dropout = ChannelDropout(3, 0.5)
    dropout.drawn = torch.tensor([[0.4, 0.5, 0.9]])
    maps = torch.ones(1, 3, 2, 2)
    assert dropout(maps)[0, :, 0, 0].tolist() == [0.0, 2.0, 2.0]
    assert dropout.eval()(maps) is maps
    with pytest.raises(ValueError, match="below 1, not 1.0"):
        ChannelDropout(3, 1.0)


def test_what_is_dropped_is_of_the_clip_not_of_the_batch():
    def kept(seeds):
        draw_channel_dropout(dropout, [torch.Generator().manual_seed(s) for s in seeds], 2)
        return dropout(torch.ones(2 * len(seeds), 16, 1, 1))

    dropout = ChannelDropout(16, 0.3)
    together = kept([5, 6])
    assert torch.equal(together, torch.cat([kept([5]), kept([6])]))
    assert not torch.equal(together[0], together[1])  # another for every frame


@pytest.mark.parametrize("name", ["conv", "unet", "segvit"])
def test_heads_on_a_frozen_encoder(name):
    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 56}
    backbone = FoundationBackbone(
        encoder=frozen(encoder=build_encoder("dinov2_small", **sizes)),
        neck=ResizedPyramid(in_channels=24, stride=14),
    )
    wide = dict.fromkeys(CHANNELS, 24)
    head = {
        "conv": ConvHead(in_channels=24, num_classes=1, dims=(8,), feature="res3", upsample=2),
        "unet": UNetDecoder(in_channels=wide, num_classes=1, dims=(16, 16, 16)),
        "segvit": SegViT(in_channels=wide, num_classes=1, dim=16, num_heads=2, num_layers=1),
    }[name]
    model = PerPixelSegmenter(backbone=backbone, head=head, num_classes=1).train()
    assert head.training and not backbone.encoder.training
    masks = torch.zeros(1, 1, 47, 61, dtype=torch.bool)
    masks[..., :20] = True
    target = ClipTargets(torch.tensor([True]), torch.tensor([0]), masks)
    video = Clip(torch.rand(1, 3, 47, 61), torch.arange(1), "v", seed=1)
    losses = model([video], [target])
    sum(losses.values()).backward()
    assert all(p.grad is None for p in backbone.parameters())
    assert all(p.grad is not None for p in head.parameters())
    (prediction,) = model.eval()([video])
    assert prediction.mask_logits.shape == (1, 1, 47, 61)
