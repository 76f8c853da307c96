"""lgrseg/modeling/per_pixel.py: the baselines' losses, masks and sizes."""

import math

import pytest
import torch

from lgrseg.modeling.per_pixel import (
    FPNHead,
    PerPixelSegmenter,
    PixelHead,
    UNet,
    per_pixel_losses,
)
from lgrseg.structures import Clip, ClipTargets, Geometry


def unet(num_classes=2):
    torch.manual_seed(0)
    return PerPixelSegmenter(
        backbone=UNet(width=4, num_levels=3),
        head=PixelHead(in_channels=4, num_classes=num_classes),
        num_classes=num_classes,
    )


def clip(*, num_frames=2, size=(32, 32)):
    geometry = Geometry(size, (0, 0, *size), size)
    return Clip(torch.rand(num_frames, 1, *size), torch.arange(num_frames), "v", geometry)


def test_losses_by_hand():
    # Two pixels, all scores 0: three classes at 1/3. Truth: class 1 and background.
    scores, labels = torch.zeros(1, 3, 1, 2), torch.tensor([[[1, 0]]])
    losses = per_pixel_losses(scores, labels, torch.tensor([True]), 1)
    assert losses["loss_ce"].item() == pytest.approx(math.log(3))
    first = (2 / 3 + 1) / (2 / 3 + 1 + 1)  # class 1: overlap 1/3, sizes 2/3 and 1
    second = 1 / (2 / 3 + 1)  # class 2: nowhere in the truth
    assert losses["loss_dice"].item() == pytest.approx(1 - (first + second) / 2)


def test_unannotated_frames_say_nothing():
    scores = torch.zeros(2, 3, 4, 4, requires_grad=True)
    labels = torch.ones(2, 4, 4, dtype=torch.int64)
    sum(per_pixel_losses(scores, labels, torch.tensor([False, True]), 1).values()).backward()
    assert scores.grad[0].abs().sum() == 0 and scores.grad[1].abs().sum() > 0
    nothing = per_pixel_losses(scores, labels, torch.tensor([False, False]), 0)
    assert sum(nothing.values()) == 0


def test_training_and_prediction():
    model, video = unet(), clip()
    masks = torch.zeros(1, 2, 32, 32, dtype=torch.bool)
    masks[..., :16] = True
    target = ClipTargets(torch.tensor([True, False]), torch.tensor([1]), masks)
    losses = model([video], [target])
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.parameters())
    with pytest.raises(ValueError, match="needs targets"):
        model([video])
    (prediction,) = model.eval()([video])
    assert prediction.mask_logits.shape == (2, 2, 32, 32)
    assert prediction.label_maps(video.geometry).max() <= 2


def test_prediction_is_the_argmax():
    model = unet().eval()
    video = clip()
    images = model.normalizer(video.frames.expand(-1, 3, -1, -1)[None])[0]
    wanted = model.head(model.backbone(images)).argmax(dim=1)
    got = model([video])[0].label_maps(video.geometry)
    assert (got == wanted).float().mean() > 0.999


def test_odd_sizes_are_padded_and_cut_back():
    (prediction,) = unet().eval()([clip(size=(37, 50))])
    assert prediction.mask_logits.shape[-2:] == (37, 50)


def test_unet_has_the_size_of_the_published_baseline():
    model = UNet()
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(1.94e6, rel=0.01)


def test_fpn_joins_all_scales():
    channels = {"res2": 8, "res3": 16, "res4": 24, "res5": 32}
    maps = {
        name: torch.randn(1, c, 32 // 2**i, 32 // 2**i, requires_grad=True)
        for i, (name, c) in enumerate(channels.items())
    }
    scores = FPNHead(in_channels=channels, num_classes=3, dim=16)(maps)
    assert scores.shape == (1, 4, 32, 32)
    scores.sum().backward()
    assert all(feature.grad.abs().sum() > 0 for feature in maps.values())
