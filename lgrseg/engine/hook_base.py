"""The moments at which a trainer calls its hooks, and what a hook may ask of its trainer."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import torch
from omegaconf import DictConfig
from torch import Tensor

from lgrseg.checkpoint.ema import WeightAverage
from lgrseg.modeling.contracts import ClipModel


class HookedTrainer(Protocol):
    """What hooks read and call; DefaultTrainer offers it."""

    cfg: DictConfig
    model: ClipModel
    optimizer: torch.optim.Optimizer
    device: torch.device
    iteration: int
    """Steps done: in `before_step` the number of the coming step, from 0."""
    max_iter: int
    train_seconds: float
    metrics: dict[str, Tensor | float]
    """Losses and measures of the last step."""
    average: WeightAverage | None
    """The averaged weights, where `train.ema_decay` asks for them."""
    best_score: float | None
    tensorboard: Any
    """A SummaryWriter on the main process, otherwise None."""
    signal: int | None
    """The signal that asked the process to end."""
    should_stop: bool

    @property
    def output_dir(self) -> Path:
        """Folder of the run."""
        ...

    @property
    def checkpoints(self) -> Path:
        """Folder of its checkpoints."""
        ...

    def save(self, name: str) -> None:
        """Write a checkpoint of this name."""
        ...

    def test(self, names: list[str] | None = None, *, interruptible: bool = False) -> dict:
        """Evaluate on test datasets."""
        ...

    def build_test_loader(self, cfg: DictConfig, name: str) -> Iterable:
        """The clips of a test dataset."""
        ...

    def evaluated_weights(self) -> AbstractContextManager:
        """While it is open the model has the weights that are evaluated."""
        ...


class HookBase:
    """Override what you need; `self.trainer` is set when the hook is registered.

    `trainer.iteration` counts the steps done: in `before_step` it is the number of the coming
    step, from 0; in `after_step` the first step has made it 1.
    """

    trainer: HookedTrainer

    def before_train(self) -> None:
        """Once, before the first step."""

    def before_step(self) -> None:
        """Before every step."""

    def after_step(self) -> None:
        """After every step."""

    def after_train(self) -> None:
        """Once, after the last step; not when training was stopped or failed."""

    def close(self) -> None:
        """Once, at the very end, also after an error: give back what was opened."""
