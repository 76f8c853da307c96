"""A file is of all of an encoder, or it is refused with what would fit; heads may be left over."""

import re

import pytest
import torch

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.modeling.foundation.completeness import is_part

DEEP = {"num_hidden_layers": 12}
"""So that one block is less than a tenth."""


@pytest.fixture
def refused(tiny, tmp_path):
    """Why tensors, or those of an encoder, are not taken; `fixed` settings must make them fit."""

    def load(name, tensors, fixed=None, **settings):
        file = tmp_path / "weights.pth"
        torch.save(tensors, file)
        with pytest.raises(CheckpointError) as error:
            tiny(name, weights=str(file), **settings)
        if fixed is not None:
            encoder = tiny(name, weights=str(file), **(settings | fixed))
            images = torch.rand(1, 3, 64, 64)
            assert all(found.isfinite().all() for found in encoder(images))
        message = str(error.value)
        assert f"weights.pth does not match {name}, so parts would stay random" in message
        return message

    return load


def state(encoder):
    return dict(encoder.model.state_dict())


STEMS = {
    "resnet18": "embedder.embedder.convolution.weight",
    "dinov2_small": "embeddings.patch_embeddings.projection.weight",
    "dinov3_convnext_tiny": "model.stages.0.downsample_layers.0.weight",
}


@pytest.mark.parametrize("name", STEMS)
def test_a_stem_for_grey_images(tiny, refused, name, tmp_path):
    tensors, stem = state(tiny(name)), STEMS[name]
    tensors[stem] = tensors[stem].sum(dim=1, keepdim=True)
    ours, theirs = tuple(tiny(name).model.state_dict()[stem].shape), tuple(tensors[stem].shape)
    message = refused(name, tensors)
    assert f"{stem} is {theirs} in the file, {ours} in the encoder" in message
    assert "save it as weight.repeat(1, 3, 1, 1) / 3" in message
    tensors[stem] = tensors[stem].repeat(1, 3, 1, 1) / 3
    torch.save(tensors, tmp_path / "again.pth")
    tiny(name, weights=str(tmp_path / "again.pth"))
    tensors[stem] = torch.rand(theirs[0], 5, *theirs[2:])
    assert "is for images with 5 channels, but images here have 3" in refused(name, tensors)


def test_patches_of_another_size(tiny, refused):
    tensors = state(tiny("dinov2_small", patch_size=16, image_size=64))
    message = refused("dinov2_small", tensors, {"patch_size": 16})
    assert "is (32, 3, 16, 16) in the file, (32, 3, 14, 14) in the encoder" in message
    assert message.endswith("Remedy: set patch_size=16")


@pytest.mark.parametrize("name", ["dinov2_small", "dinov3_vits16", "usfm_base", "mae_base"])
@pytest.mark.parametrize("depth", [11, 13])
def test_one_block_less_or_more(tiny, refused, name, depth):
    tensors = state(tiny(name, num_hidden_layers=depth))
    message = refused(name, tensors, {"num_hidden_layers": depth}, **DEEP)
    what = "of the encoder is not in the file" if depth == 11 else "of the file is not in"
    assert what in message and "more. Remedy: set num_hidden_layers=" in message
    remedy, encoders = message.split(", or choose the encoder of these weights (")
    assert f"num_hidden_layers={depth}" in remedy and name in encoders.rstrip(")").split(", ")


def test_one_block_more_by_the_authors_names(refused, tiny):
    tensors = state(tiny("dinov2_small", num_hidden_layers=13))
    for hub, authors in (
        ("encoder.layer.", "blocks."),
        ("layernorm", "norm"),
        ("embeddings.patch_embeddings.projection", "patch_embed.proj"),
        ("embeddings.position_embeddings", "pos_embed"),
        ("embeddings.", ""),
    ):
        tensors = {name.replace(hub, authors): value for name, value in tensors.items()}
    message = refused("dinov2_small", tensors, {"num_hidden_layers": 13}, **DEEP)
    assert "set num_hidden_layers=13" in message


@pytest.mark.parametrize("name", ["hiera_tiny", "resnet18", "swin_tiny"])
@pytest.mark.parametrize("change", [-1, 1])
def test_one_block_of_a_stage_less_or_more(tiny, refused, name, change):
    asked, there = [1, 1, 12, 1], [1, 1, 12 + change, 1]
    tensors = state(tiny(name, depths=there))
    message = refused(name, tensors, {"depths": there}, depths=asked)
    assert f"set depths={there}, or choose the encoder of these weights ({name}" in message


def test_registers_that_are_missing_or_left_over(tiny, refused):
    plain, more = state(tiny("dinov2_small")), state(tiny("dinov2_small_registers"))
    message = refused("dinov2_small_registers", plain)
    assert "embeddings.register_tokens (1, 4, 32) of the encoder is not in the file" in message
    assert message.endswith("these are weights without registers, of dinov2_small")
    message = refused("dinov2_small", more)
    assert "embeddings.register_tokens (1, 4, 32) of the file is not in the" in message
    assert message.endswith("these are weights with registers, of dinov2_small_registers")
    more["embeddings.register_tokens"] = torch.rand(1, 8, 32)
    message = refused("dinov2_small_registers", more, {"num_register_tokens": 8})
    assert "is (1, 8, 32) in the file, (1, 4, 32) in the enc" in message
    assert message.endswith("set num_register_tokens=8")


def test_registers_below_the_name_of_a_whole_model(tiny, refused):
    more = state(tiny("dinov2_small_registers"))
    whole = {f"dinov2_with_registers.{name}": value for name, value in more.items()}
    assert "with registers, of dinov2_small_registers" in refused("dinov2_small", whole)


def test_a_norm_that_is_missing(tiny, refused):
    tensors = state(tiny("mae_base"))
    del tensors["layernorm.weight"], tensors["embeddings.cls_token"]
    message = refused("mae_base", tensors)
    assert "embeddings.cls_token (1, 1, 32) of the encoder is not in the file; layernorm" in message
    assert message.endswith(
        "choose the encoder of these weights (mae_tiny, mae_small, mae_base), or change its "
        "settings"
    )


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("dinov2_small", "mask_token$"),
        ("dinov3_vits16", "mask_token$"),
        ("resnet18", "num_batches_tracked$"),
    ],
)
def test_what_files_may_lack(tiny, name, pattern, tmp_path):
    source = tiny(name)
    tensors = {key: v for key, v in state(source).items() if not re.search(pattern, key)}
    assert len(tensors) < len(state(source))
    torch.save(tensors, tmp_path / "weights.pth")
    images = torch.rand(1, 3, 64, 64)
    found = tiny(name, weights=str(tmp_path / "weights.pth"))(images)
    assert torch.equal(found[-1], source(images)[-1])


def test_what_is_beside_an_encoder_may_be_left_over(tiny, tmp_path, caplog):
    """As many tensors as it has itself, and more."""
    source = tiny("dinov2_small")
    tensors = state(source)
    for other in ("momentum_encoder.encoder.layer.0", "predictor", "dino_head.mlp"):
        tensors |= {f"{other}.{i}.weight": torch.ones(1) for i in range(20)}
    torch.save(tensors, tmp_path / "weights.pth")
    with caplog.at_level("INFO", logger="lgrseg"):
        tiny("dinov2_small", weights=str(tmp_path / "weights.pth"))
    assert re.search(r"unexpected +60: momentum_encoder", caplog.text)


def test_parts_by_hand():
    own = ["layernorm.weight", "embedder.x"]
    parts = ["blocks.12.norm1.weight", "vit.layernorm.bias", "register_tokens", "layer.3.x"]
    others = ["beit.embeddings.mask_token", "momentum_encoder.x", "predictor.0.weight", "neck.x"]
    assert all(is_part(name, own) for name in parts)
    assert not any(is_part(name, own) for name in others)
