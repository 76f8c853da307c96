"""A ResNet that was trained here is saved in EMP-SSL's names, and loads with nothing missing."""

import pytest
import torch

from lgrseg.modeling.foundation import build_encoder
from lgrseg.modeling.pretraining.emp_ssl_names import emp_ssl_weights

SMALL = {"embedding_size": 8, "hidden_sizes": [8, 16, 32, 64]}


@pytest.mark.parametrize(
    ("name", "more"),
    [("vfm4us_resnet18", {}), ("resnet50", {"depths": [1, 1, 2, 1]})],
)
def test_saved_weights_load_with_nothing_missing(name, more, tmp_path, caplog):
    trained = build_encoder(name, **SMALL, **more)
    trained(torch.rand(2, 3, 32, 32))  # changes the statistics of the batch norms
    torch.save(emp_ssl_weights(trained), tmp_path / "mine.pth")
    with caplog.at_level("INFO", logger="lgrseg"):
        loaded = build_encoder(name, weights=str(tmp_path / "mine.pth"), **SMALL, **more)
    table = dict(line.split()[:2] for line in caplog.text.splitlines() if line[:2] == "  ")
    assert (table["missing"], table["unexpected"], table["reshaped"]) == ("0", "0", "0")
    for own_name, tensor in trained.state_dict().items():
        assert torch.equal(loaded.state_dict()[own_name], tensor), own_name
    images = torch.rand(1, 3, 32, 32)
    assert torch.equal(loaded.eval()(images)[3], trained.eval()(images)[3])


def test_the_names_are_those_of_the_public_checkpoints():
    weights = emp_ssl_weights(build_encoder("vfm4us_resnet18", **SMALL))
    assert len(weights) == 120  # 20 convolutions, each with a batch norm of five tensors
    assert weights["module.backbone.layer2.0.downsample.0.weight"].shape == (16, 8, 1, 1)
    assert "module.backbone.layer1.0.downsample.0.weight" not in weights  # the width is the same
    assert weights["module.backbone.layer4.1.bn2.running_var"].shape == (64,)
