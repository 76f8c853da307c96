"""Maps come back as they were written; what is damaged is told of and forgotten."""

import hashlib
import logging

import pytest
import torch
from torch import nn

from lgrseg.studies.comparison.feature_store import FeatureStore, weights_hash

MAPS = [torch.arange(24.0).reshape(1, 2, 3, 4), torch.ones(1, 5, 1, 2)]


def test_maps_come_back(tmp_path):
    store = FeatureStore(folder=tmp_path)
    assert store.read("a") is None
    store.write("a", MAPS)
    found = store.read("a")
    assert all(torch.equal(one, other) for one, other in zip(found, MAPS, strict=True))
    assert found[0].is_contiguous(memory_format=torch.channels_last)
    assert store.read("b") is None
    assert [path.name for path in tmp_path.rglob("*.safetensors")] == [store.path("a").name]
    assert not list(tmp_path.rglob(".*"))  # no half file


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "swapped"])
def test_a_damaged_file_counts_as_absent(tmp_path, caplog, damage):
    caplog.set_level(logging.WARNING, "lgrseg")
    store = FeatureStore(folder=tmp_path)
    store.write("a", MAPS)
    path = store.path("a")
    content = bytearray(path.read_bytes())
    if damage == "cut":
        del content[-4:]
    elif damage == "flipped":
        content[-1] ^= 1
    elif damage == "emptied":
        content.clear()
    else:  # the file of another key
        store.write("b", MAPS)
        content = store.path("b").read_bytes()
    path.write_bytes(content)
    assert store.read("a") is None and "is damaged" in caplog.text and str(path) in caplog.text
    assert not path.exists()
    store.write("a", MAPS)
    assert torch.equal(store.read("a")[0], MAPS[0])


def test_half_precision_halves_the_file(tmp_path):
    maps = [torch.full((1, 64, 8, 8), 1.0009765625)]  # 1 + 2^-10, the next float16 after 1
    sizes = {}
    for precision in ("float32", "float16", "bfloat16"):
        store = FeatureStore(folder=tmp_path / precision, precision=precision)
        store.write("a", maps)
        sizes[precision] = store.path("a").stat().st_size
        (found,) = store.read("a")
        assert found.dtype == torch.float32
        assert torch.equal(found, maps[0]) == (precision != "bfloat16")
    assert sizes["float16"] < 0.52 * sizes["float32"]
    with pytest.raises(ValueError, match="float32, bfloat16, float16, not 'int8'"):
        FeatureStore(folder=tmp_path, precision="int8")


def test_the_hash_is_of_names_shapes_and_values():
    layer = nn.Linear(1, 1)
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    one, zero = b"\x00\x00\x80\x3f", b"\x00\x00\x00\x00"  # float32, little-endian
    expected = hashlib.sha256(
        b"bias torch.float32 (1,)\n" + zero + b"weight torch.float32 (1, 1)\n" + one
    )
    assert weights_hash(layer) == expected.hexdigest()
    nn.init.constant_(layer.bias, 1e-7)
    assert weights_hash(layer) != expected.hexdigest()
