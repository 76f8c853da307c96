"""One tiny model for all tests of predictions: a U-Net that finds bright discs."""

import shutil

import pytest
from bright_disc import CONFIG, OVERRIDES, learnt_weights

from lgrseg.config import load_config, save_config


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    return learnt_weights(tmp_path_factory.mktemp("disc") / "last.safetensors")


@pytest.fixture(scope="session")
def run(weights, tmp_path_factory):
    """The folder of a run as a training leaves it, with the last checkpoint alone."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "checkpoints").mkdir()
    save_config(load_config(CONFIG, OVERRIDES), folder / "config.yaml")
    shutil.copy(weights, folder / "checkpoints" / "last.safetensors")
    return folder
