"""The enhancer: losses by hand, nothing changes before training, sizes, errors."""

import pytest
import torch
from torch import nn

from lgrseg.layers.image_similarity import ssim
from lgrseg.modeling.foundation import build_encoder, frozen
from lgrseg.modeling.generation.enhancer import Enhancer
from lgrseg.modeling.generation.networks import ResNetGenerator
from lgrseg.structures import Clip, UnlabelledViews


def enhancer(**more):
    torch.manual_seed(0)
    return Enhancer(generator=ResNetGenerator(width=4, num_blocks=1, **more), width=4)


def pairs(poor, good):
    clips = [Clip(images[None], torch.arange(1), "v", seed=1) for images in (poor, good)]
    return [], [], [UnlabelledViews(clips[:1], clips[1:])]


def test_losses_by_hand():
    """At first the model changes nothing, so the losses are those of the poor image."""
    good = torch.rand(1, 16, 16)
    poor = (good + 0.25).clamp(max=1)
    model = enhancer()
    losses = model(*pairs(poor, good))
    wanted = {
        "loss_l1": (poor - good).abs().mean().item(),
        "loss_ssim": 1 - ssim(poor[None], good[None]).item(),
    }
    assert {n: v.item() for n, v in losses.items()} == pytest.approx(wanted, abs=1e-5)
    seen = {name: float(value) for name, value in model.monitored.items()}
    assert seen["psnr"] == pytest.approx(seen["psnr_input"], abs=1e-3)
    assert model.pictures["enhanced"].shape == (3, 16, 48)


def test_it_learns_to_remove_what_was_added():
    good = torch.rand(1, 16, 16) / 2
    batch = pairs(good + 0.25, good)
    model = enhancer()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(30):
        optimizer.zero_grad()
        sum(model(*batch).values()).backward()
        optimizer.step()
    assert model.monitored["psnr"] > model.monitored["psnr_input"] + 6
    assert model.monitored["ssim"] > model.monitored["ssim_input"]


def test_any_size_and_colour():
    model = enhancer().eval()
    frames = torch.rand(2, 3, 17, 22)
    torch.testing.assert_close(model.enhanced(frames), frames.mean(dim=1, keepdim=True))


def test_a_pretrained_branch():
    settings = {"embedding_size": 8, "hidden_sizes": [8] * 4, "depths": [1] * 4}
    model = enhancer(branch=frozen(encoder=build_encoder("resnet18", **settings)))
    nn.init.ones_(model.detail[-1].weight)
    sum(model(*pairs(torch.rand(1, 32, 32), torch.rand(1, 32, 32))).values()).backward()
    trained = {n.split(".")[1] for n, p in model.named_parameters() if p.grad is not None}
    assert "branch" not in trained and {"encode", "join", "decode"} < trained


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match="trains on pairs of frames"):
        enhancer()([], [])
    with pytest.raises(ValueError, match="enhance_images.py enhances"):
        enhancer().eval()([])
    with pytest.raises(ValueError, match="a weight is 0 or above"):
        Enhancer(generator=ResNetGenerator(width=4, num_blocks=1), similarity_weight=-1)
