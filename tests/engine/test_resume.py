"""A run that was stopped ends as if it had not been."""

import pytest
import torch

from lgrseg.engine.trainer import DefaultTrainer


def run(cfg, *, until=None, resume=False):
    if until:
        cfg = cfg.copy()
    trainer = DefaultTrainer(cfg)
    trainer.resume_or_load(resume=resume)
    if until:
        trainer.max_iter = until
    trainer.train()
    return trainer


@pytest.mark.parametrize("num_workers", [0, 2])
def test_resumed_weights_are_bit_identical(tiny_cfg, tmp_path, num_workers):
    tiny_cfg.dataloader.train.num_workers = num_workers
    tiny_cfg.train.ema_decay = 0.9
    whole = run(tiny_cfg)
    tiny_cfg.train.output_dir = str(tmp_path / "stopped")
    run(tiny_cfg, until=3)
    resumed = run(tiny_cfg, resume=True)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
        assert torch.equal(whole.average.weights[name], resumed.average.weights[name]), name
