"""Where weights are found, what fits, and what is said when they are not meant."""

import re

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange
from safetensors.torch import load_file, save_file

from lgrseg.checkpoint.files import CheckpointError


def moved(encoder):
    """The encoder with every weight drawn anew, so that nothing is as it is built."""
    with torch.no_grad():
        for tensor in encoder.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(0.1 * torch.randn(tensor.shape).abs() + 0.01)
    return encoder


def test_a_folder_of_the_hub(tiny, kind, tmp_path, caplog):
    """transformers saves under the names that the hub has, which often are not the model's."""
    source = moved(tiny(kind))
    source.model.save_pretrained(tmp_path)
    with caplog.at_level("INFO", logger="lgrseg"):
        other = tiny(kind, weights=str(tmp_path))
    for name, value in source.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name
    assert not re.search(r"(missing|unexpected|reshaped) +[1-9]", caplog.text)
    images = torch.rand(1, 3, 70, 101)
    for found, wanted in zip(other(images), source(images), strict=True):
        assert torch.equal(found, wanted)


WHOLE = [
    ("dinov2_small", "Dinov2ForImageClassification", "dinov2"),
    ("hiera_tiny", "HieraForImageClassification", "hiera"),
    ("hiera_tiny", "HieraForPreTraining", "hiera"),
    ("swin_tiny", "SwinForImageClassification", "swin"),
    ("mae_base", "ViTMAEForPreTraining", "vit"),
    ("resnet18", "ResNetForImageClassification", "resnet"),
    ("usfm_base", "BeitForImageClassification", "beit"),
    ("sam2_hiera_tiny", "Sam2VisionModel", "backbone"),
]


@pytest.mark.parametrize(("name", "kind_of_whole", "prefix"), WHOLE)
def test_the_encoder_of_a_whole_model(tiny, name, kind_of_whole, prefix, tmp_path, caplog):
    """As the hub has them: with a head, a decoder, a neck, a prefix on every name."""
    import transformers

    encoder = tiny(name)
    config = encoder.model.config
    if kind_of_whole == "ViTMAEForPreTraining":
        sizes = {"decoder_hidden_size": 16, "decoder_num_attention_heads": 2}
        sizes |= {"decoder_num_hidden_layers": 1, "decoder_intermediate_size": 16}
        config = transformers.ViTMAEConfig(**config.to_dict() | sizes)
    if kind_of_whole == "HieraForPreTraining":
        sizes = {"decoder_hidden_size": 8, "decoder_depth": 1, "decoder_num_heads": 1}
        config = transformers.HieraConfig(**config.to_dict() | sizes)
    if kind_of_whole == "Sam2VisionModel":
        channels = encoder.channels[::-1]
        config = transformers.Sam2VisionConfig(
            backbone_config=config, backbone_channel_list=channels, fpn_hidden_size=16
        )
    if name == "usfm_base":  # BEiT's classifiers have their last norm behind the mean
        config = transformers.BeitConfig(**config.to_dict() | {"use_mean_pooling": True})
    whole = moved(getattr(transformers, kind_of_whole)(config))
    whole.save_pretrained(tmp_path)
    if kind_of_whole == "Sam2VisionModel":  # in SAM 2's own files one level deeper
        file = tmp_path / "model.safetensors"
        tensors = {f"vision_encoder.{k}": v for k, v in load_file(file).items()}
        save_file(tensors | {"mask_decoder.x": torch.ones(1)}, file)
    with caplog.at_level("INFO", logger="lgrseg"):
        loaded = tiny(name, weights=str(tmp_path)).model.state_dict()
    inner = whole.get_submodule(prefix).state_dict()
    if name == "usfm_base":
        inner["layernorm.weight"] = inner["pooler.layernorm.weight"]
    if kind_of_whole == "HieraForPreTraining":  # whose last norm is not in the encoder
        inner["pooler.layernorm.weight"] = whole.encoder_norm.weight
    shared = [key for key in loaded if key in inner]
    assert len(shared) >= 0.9 * len(loaded)
    assert all(torch.equal(loaded[key], inner[key]) for key in shared)
    assert not re.search(r"(unexpected|reshaped) +[1-9]", caplog.text)


def test_a_file_of_safetensors(tiny, tmp_path):
    source = moved(tiny("resnet18"))
    save_file(source.model.state_dict(), tmp_path / "mine.safetensors")
    other = tiny("resnet18", weights=str(tmp_path / "mine.safetensors"))
    images = torch.rand(1, 3, 64, 64)
    assert torch.equal(other(images)[-1], source(images)[-1])


@pytest.mark.parametrize(("name", "extra"), [("mae_base", 1), ("hiera_tiny", 0)])
def test_positions_of_another_grid_are_interpolated(tiny, name, extra, tmp_path):
    source = moved(tiny(name))
    source.model.save_pretrained(tmp_path)
    size = 96 if extra else [96, 96]
    found = tiny(name, weights=str(tmp_path), image_size=size).model.embeddings.position_embeddings
    before = source.model.embeddings.position_embeddings
    grid = rearrange(before[:, extra:], "1 (h w) c -> 1 c h w", h=4 if extra else 16)
    grid = F.interpolate(grid, (6, 6) if extra else (24, 24), mode="bicubic")
    assert torch.equal(found[:, :extra], before[:, :extra])
    assert torch.allclose(found[:, extra:], rearrange(grid, "1 c h w -> 1 (h w) c"), atol=1e-6)


def test_relative_positions_of_another_grid_are_interpolated(tiny, tmp_path):
    source = moved(tiny("usfm_base"))
    source.model.save_pretrained(tmp_path)
    other = tiny("usfm_base", weights=str(tmp_path), image_size=96)
    images = torch.rand(1, 3, 96, 96)  # interpolated at load time here, at run time there
    assert torch.allclose(other(images)[0], source(images)[0], atol=1e-5)


def test_weights_of_another_size(tiny, tmp_path):
    tiny("dinov2_small", hidden_size=64).model.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError) as error:
        tiny("dinov2_small", weights=str(tmp_path))
    message = str(error.value)
    assert "does not belong to dinov2_small" in message and "Choose the encoder" in message
    assert "is (1, 1, 64) in the file, (1, 1, 32) in the encoder" in message
    assert "dinov2_base" in message and "dinov3" not in message


@pytest.mark.parametrize(("file", "asked"), [([1, 1, 2, 1], [1, 1, 4, 1]), ([1, 1, 4, 1],) * 2])
def test_weights_of_more_or_fewer_blocks(tiny, tmp_path, file, asked):
    """Most shapes fit: Hiera tiny is a part of Hiera small."""
    tiny("hiera_tiny", depths=file).model.save_pretrained(tmp_path)
    if file != asked:
        with pytest.raises(CheckpointError, match="does not belong to hiera_tiny"):
            tiny("hiera_tiny", depths=asked, weights=str(tmp_path))
        return
    with pytest.raises(CheckpointError, match="unexpected ones"):
        tiny("hiera_tiny", weights=str(tmp_path))


def test_a_file_that_is_cut_short(tiny, tmp_path):
    (tmp_path / "half.pth").write_bytes(b"PK half")
    with pytest.raises(CheckpointError, match="half.pth is truncated"):
        tiny("resnet18", weights=str(tmp_path / "half.pth"))


def test_a_hub_id_without_a_network(tiny, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError) as error:
        tiny("dinov2_small", weights="facebook/dinov2-small")
    message = str(error.value)
    assert message.startswith("facebook/dinov2-small is not a local folder")
    assert "could not be downloaded" in message and "give its path" in message
    assert "\n" not in message


@pytest.mark.parametrize("weights", ["weights/none.pth", "none.safetensors", "a/b/c", "nothing"])
def test_weights_that_are_nowhere(tiny, weights):
    with pytest.raises(FileNotFoundError, match=f"no weights {weights}: it is neither a file, nor"):
        tiny("dinov2_small", weights=weights)
