"""Kept features: the same training, no encoder where they are there, never another encoder's."""

import copy
import logging

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lgrseg.layers.clip_batch import stack_clips
from lgrseg.modeling.foundation.encoder import Encoder
from lgrseg.modeling.heads import PixelHead
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter
from lgrseg.structures import Clip, ClipTargets
from lgrseg.studies.comparison.cached import CachedSegmenter


class TinyEncoder(Encoder):
    """Patches of 8 px and a batch norm; it counts the images that it was run for."""

    def __init__(self):
        super().__init__(channels=[6], strides=[8], token_dim=6, least_size=8)
        self.patches = nn.Conv2d(3, 6, 8, stride=8)
        self.norm = nn.BatchNorm2d(6)
        self.num_images = 0

    @property
    def blocks(self):
        return [self.norm]

    def forward(self, images):
        self.num_images += len(images)
        return [self.norm(self.patches(images))]

    def forward_token(self, images):
        return self(images)[0].mean(dim=(-2, -1))


class TinyBackbone(nn.Module):
    """The project's interface: an encoder, a trained neck, maps by name."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder
        self.neck = TinyNeck()
        self.channels, self.strides = {"res2": 4}, {"res2": 4}

    def forward(self, images):
        return self.neck(self.encoder(images))


class TinyNeck(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolve = nn.Conv2d(6, 4, 3, padding=1)

    def forward(self, maps, size=None):
        return {"res2": F.interpolate(self.convolve(maps[0]), scale_factor=2.0)}


def parts(seed=0):
    torch.manual_seed(seed)
    encoder = TinyEncoder().requires_grad_(False)
    head = PixelHead(in_channels=4, num_classes=1, feature="res2")
    return {"backbone": TinyBackbone(encoder), "head": head, "num_classes": 1}


def cached(cache, model_parts, **settings):
    return CachedSegmenter(cache=cache, name="tiny", about={}, **settings, **model_parts)


def clips(size=32):
    """Two clips of two frames, with their targets."""
    generator = torch.Generator().manual_seed(0)
    masks = torch.zeros(1, 2, size, size, dtype=torch.bool)
    masks[..., 8:24, 8:24] = True
    samples = [
        Clip(
            torch.rand(2, 1, size, size, generator=generator),
            torch.arange(2),
            f"v{n}",
            seed=n,
            key=f"{n}",
        )
        for n in range(2)
    ]
    targets = ClipTargets(torch.tensor([True, True]), torch.tensor([0]), masks)
    return samples, [targets, targets]


def train(model, samples, targets, steps):
    model.train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = sum(model(samples, targets).values())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_training_is_the_same_and_the_encoder_rests(tmp_path):
    plain = PerPixelSegmenter(**parts())
    plain.backbone.encoder.eval()
    kept = cached(tmp_path, parts())
    samples, targets = clips()
    expected = train(plain, samples, targets, steps=6)
    assert train(kept, samples, targets, steps=3) == pytest.approx(expected[:3], abs=1e-6)
    assert kept.num_computed == 2 and kept.backbone.encoder.num_images == 4
    # The next epochs are read, in another process too; nothing is computed.
    again = cached(tmp_path, parts())
    assert train(again, samples, targets, steps=6) == pytest.approx(expected, abs=1e-6)
    assert again.num_computed == 0 and again.backbone.encoder.num_images == 0
    for name, value in plain.state_dict().items():
        assert torch.allclose(again.state_dict()[name], value, atol=1e-6), name
    again.eval()
    plain.eval()
    logits = [model(samples)[1].mask_logits for model in (again, plain)]
    assert torch.allclose(*logits, atol=1e-6) and again.backbone.encoder.num_images == 0


def test_another_checkpoint_does_not_read_the_first_ones_features(tmp_path):
    samples, _ = clips()
    first, second = cached(tmp_path, parts(seed=0)), cached(tmp_path, parts(seed=1))
    for model in (first, second):
        model.eval()(samples)
        assert model.num_computed == 2
    assert first.encoder_hash != second.encoder_hash
    assert len(list(tmp_path.glob("tiny-*"))) == 2
    # A buffer alone makes another checkpoint too.
    moved = parts(seed=0)
    moved["backbone"].encoder.norm.running_mean += 1
    third = cached(tmp_path, moved).eval()
    third(samples)
    assert third.num_computed == 2


def test_an_encoder_that_was_loaded_is_the_one_that_is_kept(tmp_path):
    model = cached(tmp_path, parts(seed=0))
    model.load_state_dict(cached(tmp_path, parts(seed=0)).state_dict())
    model.check_encoder()
    model.load_state_dict(cached(tmp_path, parts(seed=1)).state_dict())
    with pytest.raises(ValueError, match="is not the one whose features are cached"):
        model.check_encoder()


def test_size_normalisation_settings_and_precision_are_in_the_name(tmp_path):
    samples, _ = clips()
    cached(tmp_path, parts()).eval()(samples)
    larger, _ = clips(size=64)
    for settings, given in (
        ({}, larger),
        ({"pixel_mean": (0.5, 0.5, 0.5)}, samples),
        ({"precision": "float16"}, samples),
    ):
        model = cached(tmp_path, parts(), **settings).eval()
        model(given)
        assert model.num_computed == 2
    model = CachedSegmenter(cache=tmp_path, name="tiny", about={"x": 1}, **parts()).eval()
    model(samples)
    assert model.num_computed == 2
    assert len(list(tmp_path.glob("tiny-*"))) == 5


def test_a_batch_of_known_new_and_nameless_clips(tmp_path):
    samples, _ = clips()
    model = cached(tmp_path, parts()).eval()
    alone = [model([clip])[0].mask_logits for clip in samples]
    nameless, new = copy.copy(samples[0]), copy.copy(samples[1])
    nameless.key, new.key = None, "new"
    model = cached(tmp_path, parts()).eval()
    found = model([nameless, samples[1], new])
    assert model.num_computed == 2
    expected = [alone[0], alone[1], alone[1]]
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one.mask_logits, other, atol=1e-6)
    model([nameless])
    assert model.num_computed == 3  # every time anew


def test_a_damaged_file_is_computed_anew(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "lgrseg")
    samples, _ = clips()
    model = cached(tmp_path, parts()).eval()
    expected = model(samples)[0].mask_logits
    for file in tmp_path.rglob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-1])
    assert torch.equal(model(samples)[0].mask_logits, expected)
    assert model.num_computed == 4 and caplog.text.count("computed again") == 2
    assert torch.allclose(model(samples)[0].mask_logits, expected, atol=1e-6)
    assert model.num_computed == 4


def test_maps_are_in_float32_under_autocast(tmp_path):
    samples, _ = clips()
    model = cached(tmp_path, parts()).eval()
    with torch.autocast("cpu", torch.bfloat16):
        model(samples)
    (maps,) = model._store((32, 32)).read("0")
    (images,) = model.normalizer(stack_clips(samples[:1]))
    assert torch.allclose(maps, model.backbone.encoder(images)[0], atol=1e-6)


def test_what_cannot_be_kept_is_refused(tmp_path):
    trained = parts()
    trained["backbone"].encoder.norm.requires_grad_(True)
    with pytest.raises(ValueError, match="2 of its parameters are trained .norm.weight"):
        cached(tmp_path, trained)
    with pytest.raises(ValueError, match="a Identity has no `encoder`"):
        cached(tmp_path, parts() | {"backbone": nn.Identity()})
