"""Controls of AR-SEG, with models whose result is known."""

from types import SimpleNamespace

import pytest
import torch
from conftest import made_up_record
from disc_clips import disc_clip

from lgrseg.modeling.autoregressive.codec import CellShares, CellUpsampler
from lgrseg.modeling.autoregressive.image_tokens import ImageTokens
from lgrseg.modeling.autoregressive.orders import NextScale
from lgrseg.modeling.autoregressive.quantizers import ClassIndices
from lgrseg.modeling.autoregressive.segmenter import ARSegmenter
from lgrseg.modeling.autoregressive.teaching import Teacher
from lgrseg.modeling.autoregressive.tokenizer import MaskTokenizer
from lgrseg.modeling.autoregressive.trunk import Trunk
from lgrseg.modeling.heads.per_pixel import UNet
from lgrseg.studies.autoregressive import controls


def sample(patient="p", *, radius=16, num_frames=2, annotated=None):
    clip, targets = disc_clip(num_frames, radius=radius, annotated=annotated)
    return made_up_record(patient), 0, clip, targets


@pytest.fixture
def model():
    """A model of class indices at stride 8, from random weights."""
    parts = {"encoder": CellShares(stride=8), "decoder": CellUpsampler(num_classes=1, stride=8)}
    return ARSegmenter(
        backbone=UNet(width=4, num_levels=2),
        image_tokens=ImageTokens(channels={"res0": 4}, strides={"res0": 1}, width=32, stride=8),
        tokenizer=MaskTokenizer(num_classes=1, quantizer=ClassIndices(num_classes=1), **parts),
        trunk=Trunk(width=32, depth=1, num_heads=2, num_kv_heads=1, mlp_width=32),
        order=NextScale(num_scales=2),
        teacher=Teacher(),
        num_classes=1,
    ).eval()


@torch.inference_mode()
def test_the_tokenizer_alone(model):
    """Class indices without training reconstruct a square of whole cells, on annotated frames."""
    record, anchor, clip, targets = sample(num_frames=3, annotated=[1])
    targets.masks[:] = False
    targets.masks[0, 1, 16:40, 8:24] = True
    found = controls.only_tokenizer(model, (record, anchor, clip, targets)).mask_logits[0] > 0
    assert torch.equal(found, targets.masks[0])


@torch.inference_mode()
def test_without_earlier_tokens_true_ones_have_no_effect(model):
    one = sample()
    model.sequence.order = NextScale(num_scales=1)  # all tokens in one step
    own = controls.predicted(model, one)
    taught = controls.true_earlier_tokens(model, one)
    torch.testing.assert_close(own.mask_logits, taught.mask_logits)
    assert torch.equal(own.tokens, taught.tokens)


@torch.inference_mode()
def test_another_image_is_that_of_another_patient(model):
    another = controls.AnotherImage()
    first, second, third = sample("a", radius=10), sample("a", radius=20), sample("b", radius=14)
    another(model, first), another(model, second)
    found = another(model, third)
    torch.testing.assert_close(found.mask_logits, controls.predicted(model, second).mask_logits)


@torch.inference_mode()
def test_a_shuffled_image_keeps_its_tokens(model):
    seen = {}
    model.predict_from = lambda image, size: seen.setdefault("image", image)[None]
    controls.shuffled_image(model, sample())
    own = model.tokens_of_clips([sample()[2]])
    assert not torch.equal(seen["image"], own)
    assert torch.equal(seen["image"].flatten(-2).sort().values, own.flatten(-2).sort().values)


def test_the_mean_shape():
    """Of discs of radius 10, 20 and 20, most show the large one."""
    samples = [sample(radius=radius, num_frames=1) for radius in (10, 20, 20)]
    found = controls.MeanShape(samples, 1)(None, sample(num_frames=4)).mask_logits
    assert found.shape == (1, 4, 64, 64)
    assert torch.equal(found[0, 3] > 0, samples[1][3].masks[0, 0])
    with pytest.raises(ValueError, match="needs annotated frames"):
        controls.MeanShape([sample(annotated=[])], 1)


def test_the_share_of_right_boundary_tokens(model):
    """The tokenizer's own tokens are right; a shift of all tokens is right nowhere."""
    one = sample(num_frames=1)
    true_tokens = model.sequence.tokenizer.tokens(controls._true_shares(model, one))
    evaluator = SimpleNamespace(
        reset=lambda: None,
        process=lambda *parts: None,
        evaluate=lambda: {"classes": {"disc": {"dice": 0.5}}, "mean": {"dice": 0.5}},
    )

    def constant(tokens):
        def control(model, sample):
            return SimpleNamespace(tokens=tokens)

        return controls.evaluate(model, control, [[one]], evaluator).boundary_accuracy

    assert constant(true_tokens) == 1 and constant(1 - true_tokens) == 0
    assert constant(None) is None
