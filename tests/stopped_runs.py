"""Runs that are stopped in the middle and resumed, to be compared with unbroken ones."""

import pytest
import torch

from lgrseg.engine.hook_base import HookBase
from lgrseg.engine.trainer import DefaultTrainer


class StopBefore(HookBase):
    """Raises an error before a step."""

    def __init__(self, iteration):
        self.iteration = iteration

    def before_step(self):
        if self.trainer.iteration == self.iteration:
            raise OSError("the disk is gone")


def resumed_run(cfg, folder, *, stop_before, resume_at):
    """Train a config in a folder up to an error, and then from its last checkpoint to its end."""
    cfg.train.output_dir = str(folder)
    stopped = DefaultTrainer(cfg)
    stopped.register_hooks([StopBefore(stop_before)])
    with pytest.raises(OSError, match="disk"):
        stopped.train()
    resumed = DefaultTrainer(cfg)
    resumed.resume_or_load(resume=True)
    assert resumed.iteration == resume_at
    resumed.train()
    return resumed


def assert_equal_runs(one, other):
    """Weights and states of the optimisers are equal to the bit."""
    states = one.model.state_dict(), other.model.state_dict()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
    pairs = zip(one.optimizer.state.values(), other.optimizer.state.values(), strict=True)
    for first, second in pairs:
        assert all(torch.equal(first[key], second[key]) for key in first)
