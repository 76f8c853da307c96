"""Every encoder in every downstream config: one setting, and it is trained."""

import functools
from pathlib import Path

import pytest
import torch
from torch import nn

from lgrseg.config import instantiate, load_config
from lgrseg.layers import speed
from lgrseg.layers.drop_path import draw_drop_paths
from lgrseg.modeling.foundation import (
    FoundationBackbone,
    ResampledLevels,
    build_encoder,
    pyramid_of,
)
from lgrseg.modeling.generation.networks import ResNetGenerator
from lgrseg.modeling.heads import UNetDecoder
from lgrseg.modeling.heads.classifier import ClipClassifier, LinearHead
from lgrseg.structures import Clip, ClipTargets, LabelTarget

CONFIGS = Path(__file__).parents[3] / "configs"
SEGMENTERS = {
    "foundation/usfm_upernet.py": "dim",
    "foundation/usfm_segvit.py": "dim",
    "foundation/unet_decoder.py": "dims",
    "baselines/deeplab.py": "dim",
}
CLASSIFIERS = ["foundation/usfm_classify.py", "foundation/vfm4us_classify.py"]
SIZE = 64
EVERY_TIME = ["mae_base", "resnet18"]
"""One encoder with maps of one stride, and one with stages. The others are slow together."""
OTHERS = (
    "dinov2_small dinov2_small_registers dinov3_vits16 usfm_base dinov3_convnext_tiny hiera_tiny "
    "sam2_hiera_tiny swin_tiny resnet50 efficientnet_lite0"
).split()
NAMES = EVERY_TIME + [pytest.param(name, marks=pytest.mark.slow) for name in OTHERS]
loaded = functools.cache(load_config)


def config(file, name, settings):
    """The config with another encoder, whose network is small."""
    cfg = loaded(CONFIGS / file).copy()
    encoder = cfg.model.backbone.get("encoder", cfg.model.backbone)
    encoder = encoder.get("encoder", encoder)
    encoder.name = name
    encoder.update(settings)
    return cfg


def clip():
    return Clip(torch.rand(1, 1, SIZE, SIZE), torch.arange(1), "v")


def trained_names(cfg, clips, targets):
    """Names of the parameters that one step changes."""
    torch.manual_seed(0)
    model = instantiate(cfg.model).train()
    optimizer = instantiate(cfg.optimizer)(model)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    sum(model(clips, targets).values()).backward()
    optimizer.step()
    return {name for name, value in model.named_parameters() if not value.equal(before[name])}


@pytest.mark.parametrize("file", SEGMENTERS)
@pytest.mark.parametrize("name", NAMES)
def test_a_segmenter_of_any_encoder_is_trained(file, name, tiny_settings):
    cfg = config(file, name, tiny_settings[name])
    cfg.model.head[SEGMENTERS[file]] = [8, 8, 8] if SEGMENTERS[file] == "dims" else 8
    if "dim" in cfg.model.backbone.neck:
        cfg.model.backbone.neck.dim = 8
    masks = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.bool)
    masks[..., 16:48, 16:48] = True
    targets = [ClipTargets(torch.tensor([True]), torch.tensor([0]), masks)]
    changed = trained_names(cfg, [clip(), clip()], 2 * targets)
    assert any(name.startswith("backbone.encoder.model") for name in changed)
    assert any(name.startswith("head") for name in changed)


@pytest.mark.parametrize("file", CLASSIFIERS)
@pytest.mark.parametrize("name", NAMES)
def test_a_classifier_of_any_encoder_is_trained(file, name, tiny_settings):
    cfg = config(file, name, tiny_settings[name])
    changed = trained_names(cfg, [clip(), clip()], [LabelTarget(0), LabelTarget(1)])
    assert any(name.startswith("backbone.model") for name in changed)
    assert any(name.startswith("head") for name in changed)


@pytest.mark.parametrize("name", NAMES)
def test_any_encoder_is_a_branch_of_a_generator(name, tiny_settings):
    branch = build_encoder(name, **tiny_settings[name])
    generator = ResNetGenerator(width=4, num_blocks=1, branch=branch)
    images = generator(2 * torch.rand(1, 1, SIZE, SIZE) - 1)
    assert images.shape == (1, 1, SIZE, SIZE)
    images.mean().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in branch.parameters())


def test_a_setting_of_the_config_is_not_replaced(tiny_settings):
    encoder = build_encoder("mae_base", **tiny_settings["mae_base"])
    with pytest.raises(ValueError, match=r"head.in_channels is 5, but the token .* has 32"):
        head = functools.partial(LinearHead, in_channels=5, num_classes=2)
        ClipClassifier(backbone=encoder, head=head, num_classes=2)


def test_levels_of_one_map_and_of_four():
    maps = [torch.full((1, width, 64 // s, 64 // s), float(s)) for width, s in ((2, 4), (3, 8))]
    maps += [torch.full((1, 4, 4, 4), 16.0), torch.full((1, 5, 2, 2), 32.0)]
    levels = {"res2": 4, "res5": 16}
    of_four = ResampledLevels(channels=[2, 3, 4, 5], strides=[4, 8, 16, 32], levels=levels)
    assert of_four.channels == {"res2": 2, "res5": 5}
    found = of_four(maps, size=(64, 64))
    assert found["res2"] is maps[0]
    assert found["res5"].equal(torch.full((1, 5, 4, 4), 32.0))
    of_one = ResampledLevels(channels=[4], strides=[16], levels=levels)
    found = of_one(maps[2:3], size=(60, 64))
    assert {n: tuple(m.shape) for n, m in found.items()} == {
        "res2": (1, 4, 15, 16),
        "res5": (1, 4, 4, 4),
    }
    with pytest.raises(ValueError, match="one map or four: give it one layer or four"):
        ResampledLevels(channels=[4, 4], strides=[16, 16], levels=levels)
    with pytest.raises(ValueError, match="no level 'res6'"):
        ResampledLevels(channels=[4], strides=[16], levels={"res6": 4})
    with pytest.raises(ValueError, match="made for maps of"):
        of_one.check([4], [14])


def test_the_pyramid_of_stages_is_the_stages(tiny_settings):
    encoder = build_encoder("resnet18", **tiny_settings["resnet18"])
    backbone = FoundationBackbone(encoder=encoder, neck=functools.partial(pyramid_of, dim=7))
    assert backbone.channels == {"res2": 8, "res3": 16, "res4": 32, "res5": 64}
    assert list(backbone.neck.parameters()) == []
    plain = build_encoder("mae_base", **tiny_settings["mae_base"])
    backbone = FoundationBackbone(encoder=plain, neck=functools.partial(pyramid_of, dim=8))
    assert set(backbone.channels.values()) == {8}


@pytest.mark.parametrize(
    ("depth", "shares", "blocks"),
    [
        (12, [0.33, 0.5, 0.67, 1.0], [3, 5, 7, 11]),
        (24, [0.33, 0.5, 0.67, 1.0], [7, 11, 15, 23]),
        (2, [0.1, 1.0], [0, 1]),
    ],
)
def test_maps_at_shares_of_the_depth(depth, shares, blocks, tiny_settings):
    settings = tiny_settings["mae_base"] | {"num_hidden_layers": depth}
    assert build_encoder("mae_base", maps_at=shares, **settings).layers == blocks


def test_bad_shares_and_rates(tiny_settings):
    settings = tiny_settings["mae_base"]
    with pytest.raises(ValueError, match=r"above 0 to 1, not \[0, 1\]"):
        build_encoder("mae_base", maps_at=[0, 1], **settings)
    with pytest.raises(ValueError, match="not both"):
        build_encoder("mae_base", maps_at=[1.0], layers=(1,), **settings)
    for name, rate in (("mae_base", 1.0), ("dinov2_small", 1.5), ("usfm_base", -0.1)):
        with pytest.raises(ValueError, match=f"drop_path_rate={rate}: it is a probability, 0 to"):
            build_encoder(name, drop_path_rate=rate, **tiny_settings[name])


def test_a_skipped_block_changes_nothing(tiny_settings):
    """The last of two blocks is skipped with probability 0.5, and otherwise counts twice."""
    settings = tiny_settings["mae_base"]
    torch.manual_seed(0)
    encoder = build_encoder("mae_base", drop_path_rate=0.5, **settings)
    names = build_encoder("mae_base", **settings).state_dict().keys()
    assert encoder.state_dict().keys() == names
    first, last = encoder.blocks
    tokens = torch.rand(2, 5, 32)
    with torch.no_grad():
        encoder.eval()
        plain = last(tokens)
        encoder.train()
        last.skipped.drawn = torch.tensor([0.2, 0.8])
        skipped, doubled = last(tokens)
    torch.testing.assert_close(skipped, tokens[0])
    torch.testing.assert_close(doubled - tokens[1], 2 * (plain - tokens)[1])
    assert first.skipped.rate == 0 and last.skipped.rate == 0.5


def test_a_head_for_any_backbone_is_a_function():
    class Maps(nn.Module):
        channels = {"res2": 8, "res3": 16}

    from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter

    head = functools.partial(UNetDecoder, num_classes=2, dims=[8])
    model = PerPixelSegmenter(backbone=Maps(), head=head, num_classes=2)
    assert model.head.in_channels == {"res2": 8, "res3": 16}


@pytest.mark.parametrize(("name", "count"), [("mae_base", 2), ("hiera_tiny", 5), ("resnet18", 0)])
def test_recomputed_blocks_of_an_encoder_give_the_same_gradients(name, count, tiny_settings):
    """Skipped blocks are the same in both passes; batch norms would count images twice."""
    encoder = build_encoder(name, drop_path_rate=0.5, **tiny_settings[name]).train()
    images = torch.rand(2, 3, SIZE, SIZE)
    found = []
    for recompute in (False, True):
        if recompute:
            assert speed.recompute_activations(encoder) == count
        encoder.zero_grad()
        draw_drop_paths(encoder, [torch.Generator().manual_seed(n) for n in range(2)], 1)
        encoder(images)[-1].square().mean().backward()
        found.append({n: p.grad.clone() for n, p in encoder.named_parameters() if p.requires_grad})
    before, after = found
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_dropout_is_not_drawn_twice(tiny_settings):
    encoder = build_encoder("mae_base", hidden_dropout_prob=0.1, **tiny_settings["mae_base"])
    assert speed.recompute_activations(encoder) == 0
