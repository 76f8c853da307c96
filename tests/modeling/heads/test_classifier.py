"""lgrseg/modeling/heads/classifier.py: tokens of clips, the loss, heads."""

import math

import pytest
import torch
from tiny_encoder import TinyEncoder
from torch import nn

from lgrseg.engine.solver import build_adamw
from lgrseg.modeling.backbones import PVTv2
from lgrseg.modeling.foundation import build_encoder, frozen
from lgrseg.modeling.heads.classifier import ClipClassifier, LinearHead, ThreeLayerHead
from lgrseg.structures import Clip, LabelTarget


class MeanColour(nn.Module):
    """Token: the mean of each channel."""

    token_dim = 3

    def forward_token(self, images):
        return images.mean(dim=(-2, -1))


def clip(*values, size=32):
    frames = torch.tensor(values)[:, None, None, None].expand(-1, 1, size, size)
    return Clip(frames.float(), torch.arange(len(values)), "v")


def classifier(head=None, *, backbone=None, num_classes=3):
    return ClipClassifier(
        backbone=backbone or MeanColour(),
        head=head or nn.Identity(),
        num_classes=num_classes,
        pixel_mean=(0.0, 0.0, 0.0),
        pixel_std=(1.0, 1.0, 1.0),
    )


def test_the_token_of_a_clip_is_the_mean_of_its_frames():
    tokens = classifier().tokens([clip(0.0, 0.5), clip(0.25, 1.0)])
    assert torch.allclose(tokens, torch.tensor([[0.25] * 3, [0.625] * 3]))


def test_loss_by_hand():
    # Equal scores for three classes: -log(1/3) a clip; two clips, of a step of four.
    model = classifier()
    batch = [clip(0.5), clip(1.0)], [LabelTarget(0), LabelTarget(2)]
    assert model(*batch)["loss_ce"].item() == pytest.approx(math.log(3))
    assert model.loss_totals(batch[1]) == {"clips": 2.0}
    assert model(*batch, {"clips": 4.0})["loss_ce"].item() == pytest.approx(math.log(3) / 2)


def test_probabilities_by_hand():
    head = nn.Linear(3, 2)
    nn.init.zeros_(head.weight)
    head.bias.data = torch.tensor([math.log(3.0), 0.0])
    (prediction,) = classifier(head, num_classes=2).eval()([clip(0.5, 0.1)])
    assert prediction.scores.shape == (2,)
    assert prediction.probs.tolist() == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize("head", [LinearHead, ThreeLayerHead])
def test_every_parameter_learns(head):
    model = classifier(head(in_channels=16, num_classes=3), backbone=TinyEncoder())
    clips = [Clip(torch.rand(2, 3, 32, 40), torch.arange(2), "v") for _ in range(2)]
    model(clips, [LabelTarget(0), LabelTarget(1)])["loss_ce"].backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())
    linear = [part for part in model.head.modules() if isinstance(part, nn.Linear)]
    assert len(linear) == (1 if head is LinearHead else 3)
    assert len(model.eval()(clips)) == 2


def test_dropout_is_drawn_for_the_clip_so_batches_add_up():
    head = ThreeLayerHead(in_channels=16, num_classes=3, dropout=0.5)
    model = classifier(head, backbone=TinyEncoder()).double()
    clips = [Clip(torch.rand(2, 3, 32, 40).double(), torch.arange(2), "v", seed=s) for s in (1, 2)]
    targets = [LabelTarget(0), LabelTarget(1)]
    whole = model(clips, targets)["loss_ce"]
    halves = [
        model([c], [t], {"clips": 2.0})["loss_ce"] for c, t in zip(clips, targets, strict=True)
    ]
    assert torch.allclose(whole, sum(halves), atol=1e-12)
    clips[1].seed = 3  # other units are left out
    assert not torch.allclose(whole, model(clips, targets)["loss_ce"])


def test_the_encoder_has_the_backbones_learning_rate():
    model = classifier(LinearHead(in_channels=16, num_classes=3), backbone=TinyEncoder())
    groups = build_adamw(model, lr=1.0, backbone_lr_factor=0.1).param_groups
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert {rates[id(p)] for p in model.backbone.parameters()} == {0.1}
    assert {rates[id(p)] for p in model.head.parameters()} == {1.0}


def test_only_the_head_learns_on_a_frozen_encoder():
    small = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
    encoder = frozen(encoder=build_encoder("usfm_base", intermediate_size=64, **small))
    head = LinearHead(in_channels=encoder.token_dim, num_classes=3)
    model = classifier(head, backbone=encoder).train()
    model([clip(0.5, 0.1), clip(0.2, 1.0)], [LabelTarget(0), LabelTarget(1)])["loss_ce"].backward()
    learnt = {name for name, p in model.named_parameters() if p.grad is not None}
    assert learnt == {"head.classify.weight", "head.classify.bias"} and not encoder.training


def test_the_encoder_gets_the_picture_alone():
    """40 px are no multiple of 32, of 14, or of 16: no black is in a mean of tokens."""
    small = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
    for name in ("usfm_base", "dinov2_small"):
        encoder = build_encoder(name, **small)
        model = ClipClassifier(backbone=encoder, head=nn.Identity(), num_classes=3).eval()
        frames = torch.rand(2, 3, 40, 40)
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        images = (frames - mean[:, None, None]) / std[:, None, None]
        (token,) = model.tokens([Clip(frames, torch.arange(2), "v")])
        assert torch.allclose(token, encoder.forward_token(images).mean(dim=0), atol=1e-5)
        with pytest.raises(ValueError, match="images have 8 x 8 px, less than one patch of 1[46]"):
            model([clip(0.5, size=8)])


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match="needs targets"):
        classifier()([clip(0.5)])
    with pytest.raises(ValueError, match="v has label 3; the model has 3 classes"):
        classifier()([clip(0.5)], [LabelTarget(3)])
    with pytest.raises(ValueError, match="must share one shape"):
        classifier().eval()([clip(0.5), clip(0.5, 1.0)])
    with pytest.raises(ValueError, match="PVTv2 has no global token"):
        classifier(backbone=PVTv2(variant="b0"))
