"""lgrseg/modeling/sam2/network.py: weights from a folder, and which are refused."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.modeling.sam2.network import build_sam2, start_from_random
from lgrseg.modeling.sam2.records import ObjectMemory
from lgrseg.modeling.sam2.tracker import Sam2Tracker


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sam")
    torch.manual_seed(3)
    model = build_sam2(variant="nano", size=128)
    model.save_pretrained(folder)
    return model, folder


def test_weights_of_another_size_load_whole(saved):
    model, folder = saved
    loaded = build_sam2(variant="nano", size=64, weights=str(folder)).state_dict()
    for name, value in model.state_dict().items():
        if loaded[name].shape == value.shape:  # the rest are tables of the size, not weights
            assert torch.equal(loaded[name], value), name
    parameters = dict(model.named_parameters())
    assert all(loaded[name].shape == value.shape for name, value in parameters.items())


def test_from_random_weights_an_object_is_there():
    """Else its mask is not remembered, and a follower has nothing to learn from."""
    box, sam = torch.tensor([[10.0, 10, 40, 40]]), build_sam2(variant="nano", size=64).eval()
    for seed in range(20):
        torch.manual_seed(seed)
        tracker = Sam2Tracker(start_from_random(sam))
        with torch.no_grad():
            first, second = tracker.embed(torch.rand(2, 3, 64, 64))
            prompted, memory = tracker.prompt(first, box, 0)
            followed, _ = tracker.follow(second, [ObjectMemory(prompted=[memory])], 1)
        assert prompted.object_logits > 1 and followed.object_logits > 1, seed


def test_half_precision_comes_back_as_float32(saved, tmp_path):
    model, folder = saved
    build_sam2(variant="nano", size=64, weights=str(folder)).bfloat16().save_pretrained(tmp_path)
    loaded = build_sam2(variant="nano", size=64, weights=str(tmp_path))
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}


@pytest.mark.parametrize("kind", ["other names", "no memory", "another variant"])
def test_weights_that_do_not_fit_are_refused(saved, tmp_path, kind):
    _, folder = saved
    weights = load_file(folder / "model.safetensors")
    if kind == "other names":
        weights = {f"module.sam.{name}": value for name, value in weights.items()}
    if kind == "no memory":
        weights = {name: v for name, v in weights.items() if not name.startswith("memory_")}
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    variant = "tiny" if kind == "another variant" else "nano"
    with pytest.raises(CheckpointError, match=f"not a SAM 2.1 video model '{variant}'"):
        build_sam2(variant=variant, size=64, weights=str(tmp_path))


def test_no_weights_there(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="has no model.safetensors"):
        build_sam2(variant="nano", size=64, weights=str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="could not be downloaded .* give its path"):
        build_sam2(variant="nano", size=64, weights="facebook/sam2.1-hiera-tiny")


def test_the_authors_file_is_refused(tmp_path):
    torch.save({"model": {"image_encoder.trunk.pos_embed": torch.zeros(1)}}, tmp_path / "sam2.pt")
    with pytest.raises(CheckpointError, match="other names .* hub id such as facebook/sam2.1"):
        build_sam2(variant="nano", size=64, weights=str(tmp_path / "sam2.pt"))


def test_unknown_variants_and_sizes():
    with pytest.raises(ValueError, match="no SAM 2 variant 'huge'; available are: nano, tiny"):
        build_sam2(variant="huge")
    with pytest.raises(ValueError, match="a multiple of 64, not 100"):
        build_sam2(variant="nano", size=100)
