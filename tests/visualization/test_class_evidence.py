"""lgrseg/visualization/class_evidence.py: evidence at the right place, for every encoder."""

import pytest
import torch
from tiny_encoder import TinyEncoder
from torch import nn

from lgrseg.modeling.foundation import build_encoder
from lgrseg.modeling.foundation.encoder import covering
from lgrseg.modeling.heads.classifier import ClipClassifier, LinearHead
from lgrseg.structures import Clip
from lgrseg.visualization.class_evidence import _as_map, _last_map, class_evidence


def classifier(encoder, num_classes=3):
    head = LinearHead(in_channels=encoder.token_dim, num_classes=num_classes)
    return ClipClassifier(backbone=encoder, head=head, num_classes=num_classes).eval()


def bright_square():
    """Two frames; the first has a bright square at rows 8 to 15 and columns 24 to 31."""
    frames = torch.zeros(2, 1, 32, 48)
    frames[0, :, 8:16, 24:32] = 1
    return Clip(frames, torch.arange(2), "v")


def brightness_classifier():
    """Class 0 grows with the brightness of the frames, class 1 falls with it."""
    encoder = TinyEncoder(width=4)
    encoder.channels, encoder.token_dim = [1], 1
    mean = nn.Conv2d(3, 1, 4, stride=4, bias=True)
    nn.init.constant_(mean.weight, 1.0)
    nn.init.constant_(mean.bias, 48 * 2.2)  # normalised black is about -2.1
    encoder.layers = mean
    model = classifier(encoder, num_classes=2)
    with torch.no_grad():
        model.head.classify.weight.copy_(torch.tensor([[1.0], [-1.0]]))
    return model


def test_the_evidence_is_at_the_bright_square():
    model = brightness_classifier()
    evidence = class_evidence(model, bright_square(), 0)
    assert evidence.shape == (2, 8, 12) and evidence.max() == 1
    inside = torch.zeros(2, 8, 12, dtype=bool)
    inside[0, 2:4, 6:8] = True
    assert (evidence[inside] == 1).all() and (evidence[~inside] < 0.1).all()
    # Nothing speaks for class 1, which falls with the brightness.
    assert (class_evidence(model, bright_square(), 1) == 0).all()
    # The most probable class is the default.
    assert torch.equal(class_evidence(model, bright_square()), evidence)


def test_frozen_weights_and_no_grad_do_not_matter():
    model = brightness_classifier()
    expected = class_evidence(model, bright_square(), 0)
    model.requires_grad_(False)
    with torch.no_grad():
        assert torch.equal(class_evidence(model, bright_square(), 0), expected)
    assert not model.backbone.layers._forward_hooks


@pytest.mark.parametrize("name", ["sam2_hiera_nano", "resnet18", "dinov3_convnext_tiny"])
def test_the_map_is_that_of_the_encoder(name):
    encoder = build_encoder(name, weights=None).eval().requires_grad_(False)
    clip = Clip(torch.rand(1, 1, 96, 130), torch.arange(1), "v")
    images = clip.frames.expand(-1, 3, -1, -1)
    with torch.no_grad(), _last_map(encoder) as kept:
        encoder(images)
    expected = covering(encoder.stages(encoder.padded(images, 32))[-1], 32, images)
    assert torch.equal(_as_map(kept[0], encoder, clip), expected)


def test_a_transformer_with_class_token_has_evidence_at_its_patches():
    torch.manual_seed(0)
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    from lgrseg.modeling.foundation.vit import dinov2

    model = classifier(dinov2(patch_size=8, image_size=32, **small))
    evidence = class_evidence(model, Clip(torch.rand(2, 1, 30, 40), torch.arange(2), "v"))
    assert evidence.shape == (2, 4, 5) and evidence.max() == 1 and evidence.std() > 0


def test_bad_input():
    model = brightness_classifier()
    with pytest.raises(ValueError, match="label=2 is not one of the classes 0 to 1"):
        class_evidence(model, bright_square(), 2)

    class NoMap(nn.Module):
        token_dim = 3

        def forward_token(self, images):
            return images.mean(dim=(-2, -1))

    model.backbone = NoMap()
    with pytest.raises(ValueError, match="a NoMap has none"):
        class_evidence(model, bright_square())
