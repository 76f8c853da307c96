"""pretrained.py: what fits is loaded, what does not is told, nothing is unpickled."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.checkpoint.pretrained import load_pretrained, local_file
from lgrseg.modeling.backbones import MetaFormer

TINY = {"depths": (1, 1, 1, 1), "dims": (8, 16, 32, 64)}


def test_all_that_fits_is_loaded_and_the_head_left_out(tmp_path, caplog):
    source, other = MetaFormer(**TINY), MetaFormer(**TINY)
    file = tmp_path / "caformer.pth"
    torch.save({"state_dict": source.state_dict() | {"head.fc1.weight": torch.ones(2)}}, file)
    with caplog.at_level("INFO", logger="lgrseg"):
        report = load_pretrained(other, file, ignore=("head.",))
    assert "\n  left out      1: head.fc1.weight" in caplog.text
    assert not report["missing"] and not report["unexpected"] and not report["reshaped"]
    assert torch.equal(other.stem.conv.weight, source.stem.conv.weight)


def test_the_rest_is_told(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    tensors = {
        "m.0.weight": torch.ones(2, 2),
        "m.0.bias": torch.ones(2),
        "m.1.weight": torch.ones(3, 3),
        "m.9": torch.ones(1),
    }
    save_file(tensors, tmp_path / "w.safetensors")
    report = load_pretrained(
        model, tmp_path / "w.safetensors", rename=lambda name: name.removeprefix("m.")
    )
    assert report == {
        "loaded": ["0.weight", "0.bias"],
        "missing": ["1.bias"],
        "unexpected": ["9"],
        "reshaped": ["1.weight"],
    }


def test_what_a_translation_leaves_out_is_told(tmp_path, caplog):
    model, left_out = torch.nn.Linear(2, 2), []

    def translate(tensors):
        left_out.extend(name for name in tensors if name.startswith("other."))
        return {name: tensors[name] for name in ("weight", "bias")}

    tensors = dict(model.state_dict()) | {f"other.{i}": torch.ones(1) for i in range(7)}
    save_file(tensors, tmp_path / "w.safetensors")
    with caplog.at_level("INFO", logger="lgrseg"):
        load_pretrained(model, tmp_path / "w.safetensors", translate=translate, left_out=left_out)
    first = ", ".join(f"other.{i}" for i in range(5))
    assert caplog.text.endswith(f"  left out      7: {first}, ...\n")


def test_another_model_is_refused(tmp_path):
    save_file({"x": torch.ones(1)}, tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match="matches only 0 of .* another model"):
        load_pretrained(MetaFormer(**TINY), tmp_path / "w.safetensors")


def test_objects_are_not_unpickled(tmp_path):
    file = tmp_path / "bomb.pth"
    file.write_bytes(pickle.dumps({"state_dict": _Bomb()}))
    with pytest.raises(CheckpointError, match="could run code"):
        load_pretrained(MetaFormer(**TINY), file)
    assert not _Bomb.exploded


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        load_pretrained(MetaFormer(**TINY), tmp_path / "nothing.pth")


class _Bomb:
    exploded = False

    def __reduce__(self):
        return (setattr, (_Bomb, "exploded", True))


def test_a_folder_without_weights(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({}))
    with pytest.raises(FileNotFoundError, match="has no model.safetensors; give the path"):
        local_file(str(tmp_path))


def test_a_file_in_a_repository_of_the_hub(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "huggingface_hub.hf_hub_download", lambda *words: asked.append(words) or "f"
    )
    assert str(local_file("hub:owner/name/folder/weights.bin")) == "f"
    assert asked == [("owner/name", "folder/weights.bin")]
    with pytest.raises(FileNotFoundError, match="hub:owner/name: write hub:OWNER/NAME/FILE"):
        local_file("hub:owner/name")
