"""Numbers that are not finite: refused in settings, named in a run, and in no checkpoint."""

import math

import pytest
import torch
from in_processes import small_lgrnet
from omegaconf import OmegaConf
from torch import nn

from lgrseg.checkpoint.reading import read_state, read_weights
from lgrseg.config import L
from lgrseg.engine.finite import check_settings, names_not_finite
from lgrseg.engine.guard import NonFiniteError
from lgrseg.engine.hook_base import HookBase
from lgrseg.engine.trainer import DefaultTrainer
from lgrseg.modeling.backbones import MetaFormer


class Before(HookBase):
    """Does something before one step."""

    def __init__(self, iteration, do):
        self.iteration, self.do = iteration, do

    def before_step(self):
        if self.trainer.iteration == self.iteration:
            self.do(self.trainer)


def spoil_weights(trainer):
    with torch.no_grad():
        next(trainer.model.parameters()).fill_(math.nan)


def train(cfg, *hooks):
    trainer = DefaultTrainer(cfg)
    trainer.register_hooks(list(hooks))
    trainer.train()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("key", ["train.clip_norm", "optimizer.betas.1", "schedule.gamma"])
def test_settings_are_finite(key, value):
    cfg = OmegaConf.create(
        {"train": {"clip_norm": None}, "optimizer": {"betas": [0.9, 0.9]}, "schedule": {"gamma": 1}}
    )
    check_settings(cfg)
    part, _, name = key.partition(".")
    cfg[part] = {"betas": [0.9, value]} if "betas" in name else {name: value}
    with pytest.raises(ValueError, match=rf"{key} is a finite number, not {value}"):
        check_settings(cfg)


def test_which_weights_are_not_finite():
    model = nn.BatchNorm1d(2)
    assert names_not_finite(model) == []
    model.running_var[0] = math.inf  # a buffer may be: a mask is
    assert names_not_finite(model) == []
    model.running_mean[0] = math.nan
    with torch.no_grad():
        model.bias[1] = -math.inf
    assert names_not_finite(model) == ["bias", "running_mean"]
    assert names_not_finite(model, {"weight": torch.tensor([math.nan])}) == ["weight"]


def test_a_rate_that_is_too_high_leaves_no_spoilt_checkpoint(tiny_cfg, tmp_path):
    tiny_cfg.optimizer.lr, tiny_cfg.schedule.warmup = 1e39, 0  # finite, but not in float32
    tiny_cfg.train.checkpoint_period = 1
    with pytest.raises(
        NonFiniteError, match="not finite after iteration 1: .* Nothing was written"
    ):
        train(tiny_cfg)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_spoilt_weights_never_replace_a_good_checkpoint(tiny_cfg, tmp_path):
    tiny_cfg.train.update({"checkpoint_period": 2, "ema_decay": 0.5})
    trainer = DefaultTrainer(tiny_cfg)
    trainer.save("last")
    spoil_weights(trainer)
    with pytest.raises(NonFiniteError, match="1 weights, the first is "):
        trainer.save("last")
    good = DefaultTrainer(tiny_cfg)
    next(iter(good.average.weights.values())).fill_(math.nan)
    with pytest.raises(NonFiniteError, match="Nothing was written"):
        good.save("last")
    weights = read_weights(tmp_path / "run/checkpoints/last.safetensors")
    assert all(value.isfinite().all() for value in weights.values())


def test_what_a_diverged_run_says(tiny_cfg, tmp_path):
    tiny_cfg.train.checkpoint_period = 2
    with pytest.raises(NonFiniteError) as caught:
        train(tiny_cfg, Before(3, spoil_weights))
    message, note = str(caught.value), caught.value.__notes__[0]
    assert "not finite at iteration 3: the gradient's norm is nan" in message
    assert "loss_ce nan" in message and "clips patient000" in message
    assert note == "weights that were not finite before this step: backbone.down.0.0.weight"
    assert read_state(tmp_path / "run/checkpoints/last.state.pt")["iteration"] == 2


def test_where_the_matcher_sees_it_first_iteration_losses_and_clips_are_named_too(tiny_cfg):
    tiny_cfg.model = L(small_lgrnet)(
        backbone=L(MetaFormer)(depths=[1] * 4, dims=[8, 8, 16, 32]), num_classes=1, num_queries=2
    )
    with pytest.raises(NonFiniteError) as caught:
        train(tiny_cfg, Before(2, spoil_weights))
    message = str(caught.value)
    assert "not finite at iteration 2: the matching costs are not finite" in message
    assert "clips patient000" in message and "the step before: loss_" in message
    assert "weights that were not finite before this step: backbone." in caught.value.__notes__[0]


def test_a_schedule_that_is_not_finite_never_reaches_the_weights(tiny_cfg):
    trainer = DefaultTrainer(tiny_cfg)
    trainer.hooks[0].schedule = lambda iteration: math.nan if iteration == 2 else 1.0
    with pytest.raises(NonFiniteError, match=r"factor at iteration 2 is nan.*schedule\.\*"):
        trainer.train()
    assert trainer.iteration == 2 and names_not_finite(trainer.model) == []
