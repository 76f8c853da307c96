"""A training that starts from the weights of another one, or of the package."""

import hashlib
import re

import pytest
import torch

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.engine.run_record import hashes_of_weights
from lgrseg.engine.trainer import DefaultTrainer
from lgrseg.inference.pretrained import weight_file


def test_starting_from_weights(tiny_cfg, tmp_path):
    tiny_cfg.train.update({"max_iter": 2, "ema_decay": 0.5, "output_dir": str(tmp_path / "first")})
    first = DefaultTrainer(tiny_cfg)
    first.train()
    tiny_cfg.train.init_weights = str(tmp_path / "first/checkpoints/last.safetensors")
    tiny_cfg.train.output_dir = str(tmp_path / "second")
    second = DefaultTrainer(tiny_cfg)
    second.resume_or_load(resume=False)
    assert second.iteration == 0
    for name, value in first.average.weights.items():
        assert torch.equal(second.model.state_dict()[name], value)
        assert torch.equal(second.average.weights[name], value)


def test_the_weights_of_the_package_are_found_by_name(tiny_cfg):
    """This model is another one, so the message names the file that was read."""
    tiny_cfg.train.init_weights = "apical_simulated"
    file = weight_file("apical_simulated")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert hashes_of_weights(tiny_cfg) == {str(file): digest}
    with pytest.raises(CheckpointError, match=re.escape(f"{file} has only 0% of this model's")):
        DefaultTrainer(tiny_cfg).resume_or_load(resume=False)
