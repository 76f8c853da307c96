"""Every encoder that was pretrained here is saved so that build_encoder loads it."""

import pytest
import torch
from torch import nn

from lgrseg.modeling.foundation import FoundationBackbone, build_encoder
from lgrseg.modeling.pretraining.exporting import published_weights

VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 56}
SWIN = {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2]}


class Pretrained(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone


@pytest.mark.parametrize(
    ("name", "settings"),
    [("dinov2_small", VIT), ("swin_tiny", SWIN), ("efficientnet_lite0", {})],
)
def test_without_a_published_form_of_ours_the_names_are_the_hubs(name, settings, tmp_path):
    trained = build_encoder(name, **settings).eval()
    torch.save(published_weights(Pretrained(trained)), tmp_path / "mine.pth")
    loaded = build_encoder(name, weights=str(tmp_path / "mine.pth"), **settings).eval()
    images = torch.rand(1, 3, 64, 64)
    for found, wanted in zip(loaded(images), trained(images), strict=True):
        assert torch.equal(found, wanted)


def test_the_encoder_of_a_segmenter(tmp_path):
    segmenter = Pretrained(FoundationBackbone(encoder=build_encoder("efficientnet_lite0")))
    torch.save(published_weights(segmenter), tmp_path / "mine.pth")
    loaded = build_encoder("efficientnet_lite0", weights=str(tmp_path / "mine.pth"))
    wanted = segmenter.backbone.encoder.state_dict()
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in loaded.state_dict().items())


def test_adapters_are_in_no_published_file():
    adapted = build_encoder("dinov2_small", **VIT)
    adapted.model.layer = nn.ModuleDict({"lora_A": nn.Linear(2, 2)})  # as peft names its layers
    with pytest.raises(ValueError, match="has low-rank adapters"):
        published_weights(Pretrained(adapted))
