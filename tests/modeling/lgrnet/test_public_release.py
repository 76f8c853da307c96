"""A file of LGRNet's public release, names, shapes and random states alike, loads whole."""

import random
import re

import numpy as np
import pytest
import torch

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.checkpoint.loading import load_weights
from lgrseg.checkpoint.reading import read_state
from lgrseg.config import instantiate, load_config
from lgrseg.modeling.lgrnet.public_release import IGNORED, own_name

CONFIG = "configs/lgrnet/public_release.py"


@pytest.fixture(scope="module")
def shapes(shared):
    """Name -> shape of everything in the release's state dict."""
    file = shared / "lgrnet_public" / "parameter_names_b2.txt"
    if not file.is_file():
        pytest.skip(f"no list of names {file}")
    rows = [line.split("\t") for line in file.read_text().splitlines() if line[0] != "#"]
    return {name: tuple(map(int, re.findall(r"\d+", shape))) for name, shape, *_ in rows}


@pytest.fixture(scope="module")
def weights(shapes):
    """Every tensor has a number of its own, so that a mix-up shows."""
    return {
        name: torch.full(shape, float(number))
        for number, (name, shape) in enumerate(shapes.items())
    }


@pytest.fixture(scope="module")
def model(pytestconfig):
    return instantiate(load_config(pytestconfig.rootpath / CONFIG).model)


def test_every_parameter_is_used_once(weights, model, tmp_path):
    state = {
        "model": weights,
        "optimizer": {"state": {}, "param_groups": [{"lr": 1e-3, "params": [0, 1]}]},
        "np_random_state": np.random.get_state(),
        "py_random_state": random.getstate(),
        "torch_random_state": torch.get_rng_state(),
        "epoch": 7,
    }
    torch.save(state, tmp_path / "ckpt.pth.tar")
    load_weights(model, tmp_path / "ckpt.pth.tar")
    own, parameters = model.state_dict(), [n for n in weights if not n.startswith(IGNORED)]
    assert len(parameters) == len(own) == 654
    assert sum(value.numel() for value in own.values()) == 27_655_266
    for name in parameters:
        value = own[own_name(name)]
        assert value.numel() == weights[name].numel()
        assert (value == weights[name].flatten()[0]).all(), name
    back = read_state(tmp_path / "ckpt.pth.tar")
    assert (back["np_random_state"][1] == np.random.get_state()[1]).all()
    assert back["py_random_state"] == random.getstate()


def test_names_of_processes_in_parallel(weights, model, tmp_path):
    prefixed = {f"module.{name}": value + 1000 for name, value in weights.items()}
    torch.save({"model": prefixed}, tmp_path / "ckpt.pth.tar")
    load_weights(model, tmp_path / "ckpt.pth.tar")
    for name, value in model.state_dict().items():
        assert value.min() >= 1000, name  # every one was replaced
    name = "decoder.query_class.bias"
    assert (model.state_dict()[own_name(name)] == weights[name] + 1000).all()


def test_one_parameter_less_is_told(weights, model, tmp_path):
    part = {name: value for name, value in weights.items() if name != "decoder.query_class.bias"}
    torch.save({"model": part}, tmp_path / "ckpt.pth.tar")
    with pytest.raises(CheckpointError, match="missing in the file: decoder.class_head.bias"):
        load_weights(model, tmp_path / "ckpt.pth.tar")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("stranger", [np.array([print]), np.random.RandomState(0), re.compile("a")])
def test_other_objects_beside_the_weights_are_refused(stranger, model, tmp_path):
    torch.save({"model": {}, "more": stranger}, tmp_path / "ckpt.pth.tar")
    with pytest.raises(
        CheckpointError, match="they could run code: (an object|Can only|Unsupported)"
    ):
        load_weights(model, tmp_path / "ckpt.pth.tar")


def test_the_release_always_finds_an_object(model):
    assert model.presence_threshold == 0
