"""A run of a CycleGAN that is stopped and resumed ends as one that was not stopped."""

import pytest
import torch
from PIL import Image

from lgrseg.config import L
from lgrseg.data import build_unpaired_loader
from lgrseg.engine.hook_base import HookBase
from lgrseg.engine.solver import LinearSchedule, build_adamw
from lgrseg.engine.trainer import DefaultTrainer
from lgrseg.modeling.generation.cycle_gan import CycleGAN
from lgrseg.modeling.generation.networks import PatchJudge, ResNetGenerator


@pytest.fixture
def gan_cfg(tiny_cfg, tmp_path):
    """Six steps with a frame of each of two styles; the pools are full after two."""
    for number in range(3):
        (tmp_path / "b").mkdir(exist_ok=True)
        Image.new("L", (40, 36), 60 * number).save(tmp_path / "b" / f"{number}.png")
    generator = L(ResNetGenerator)(width=4, num_blocks=1)
    judge = L(PatchJudge)(width=4, num_strides=1)
    tiny_cfg.model = L(CycleGAN)(
        to_b=generator,
        to_a=generator,
        judge_a=judge,
        judge_b=judge,
        image_size=[16, 16],
        pool_size=2,
    )
    tiny_cfg.dataloader.train = L(build_unpaired_loader)(
        dataset="tiny", other=str(tmp_path / "b"), size=[16, 16]
    )
    tiny_cfg.dataloader.test = {}
    tiny_cfg.optimizer = L(build_adamw, partial=True)(
        lr=1e-3, weight_decay=0.0, betas=[0.5, 0.999], lr_factors={"judge_a": 0.5, "judge_b": 0.5}
    )
    tiny_cfg.schedule = L(LinearSchedule)(max_iter=6)
    tiny_cfg.train.update({"clip_norm": None, "log_period": 1, "checkpoint_period": 3})
    return tiny_cfg


class StopAt(HookBase):
    """Raises an error before the fifth step."""

    def before_step(self):
        if self.trainer.iteration == 4:
            raise OSError("the disk is gone")


def test_a_resumed_run_ends_as_one_that_was_not_stopped(gan_cfg, tmp_path):
    whole = DefaultTrainer(gan_cfg)
    whole.train()
    gan_cfg.train.output_dir = str(tmp_path / "other")
    stopped = DefaultTrainer(gan_cfg)
    stopped.register_hooks([StopAt()])
    with pytest.raises(OSError, match="disk"):
        stopped.train()
    resumed = DefaultTrainer(gan_cfg)
    resumed.resume_or_load(resume=True)
    resumed.train()
    state = whole.model.state_dict()
    for name, value in state.items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    assert state["pool_a.count"] == 2 and state["pool_b.images"].abs().sum() > 0
    for one, other in zip(
        whole.optimizer.state.values(), resumed.optimizer.state.values(), strict=True
    ):
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert {group["initial_lr"] for group in whole.optimizer.param_groups} == {1e-3, 5e-4}
    pictures = [path.name for path in sorted((tmp_path / "run/pictures").iterdir())]
    assert pictures == ["translated_000001.png", "translated_000006.png"]
    assert Image.open(tmp_path / "run/pictures" / pictures[0]).size == (3 * 16, 2 * 16)
