"""CPU time of a training step of a config, with its data, to compare models at equal budgets."""

import statistics
import time
from dataclasses import dataclass

from omegaconf import DictConfig

from lgrseg.config import without_weights
from lgrseg.engine.hook_base import HookBase
from lgrseg.engine.train_loop import SimpleTrainer
from lgrseg.engine.trainer import DefaultTrainer

NUM_WARMUP = 3
"""Steps before the measurement."""


@dataclass(frozen=True)
class StepTime:
    """Cost of a model in training."""

    num_parameters: int
    """All parameters; those of a frozen tokenizer were trained before."""
    seconds: float
    """Median CPU time of a step in seconds, with reading and augmentation of the data."""
    num_frames: int
    """Annotated frames in a batch of training."""

    def steps_in(self, minutes: float) -> int:
        """Number of steps in so many minutes of one core."""
        return int(60 * minutes / self.seconds)


class _CpuTimes(HookBase):
    """Notes the CPU time of this process before and after each step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._begin = 0.0

    def before_step(self) -> None:
        self._begin = time.process_time()

    def after_step(self) -> None:
        self.seconds.append(time.process_time() - self._begin)


def time_steps(cfg: DictConfig, num_steps: int) -> StepTime:
    """Measure steps from random weights on one thread, with the real data; nothing is written.

    Args:
        cfg: config of a training run. Its model is built without pretrained weights.
        num_steps: number of measured steps.

    Raises:
        FileNotFoundError, KeyError, ValueError: a dataset for training is missing.
    """
    cfg = cfg.copy()
    cfg.model = without_weights(cfg.model)
    cfg.train.device, cfg.train.num_threads = "cpu", 1
    cfg.dataloader.train.num_workers = 0  # else the time of the workers is not counted
    trainer = DefaultTrainer(cfg)
    loader, times = trainer.build_data(), _CpuTimes()
    trainer.hooks = []
    trainer.register_hooks([times])
    trainer.max_iter = NUM_WARMUP + num_steps
    SimpleTrainer.train(trainer)
    batch = next(iter(loader))
    return StepTime(
        num_parameters=sum(parameter.numel() for parameter in trainer.model.parameters()),
        seconds=statistics.median(times.seconds[NUM_WARMUP:]),
        num_frames=sum(len(target.annotated_frames) for target in batch[1]),
    )
