"""Base class of hooks, and the interface of the trainer that hooks use."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.utils.data import DataLoader

from lgrseg.checkpoint.ema import WeightAverage
from lgrseg.modeling.contracts import ClipModel

if TYPE_CHECKING:  # takes seconds to import
    from torch.utils.tensorboard import SummaryWriter


class HookedTrainer(Protocol):
    """Attributes and methods that hooks use; DefaultTrainer has them."""

    cfg: DictConfig
    model: ClipModel
    optimizer: torch.optim.Optimizer
    device: torch.device
    iteration: int
    """Number of finished steps; in `before_step` this is the index of the next step."""
    max_iter: int
    train_seconds: float
    metrics: dict[str, Tensor | float]
    """Losses and measures of the last step."""
    average: WeightAverage | None
    """Averaged weights; None without `train.ema_decay`."""
    best_score: float | None
    tensorboard: "SummaryWriter | None"
    """SummaryWriter of the main process; None in other processes."""
    signal: int | None
    """Stop signal that this process received; None without a signal."""
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

    def build_test_loader(self, cfg: DictConfig, name: str) -> DataLoader:
        """The clips of a test dataset."""
        ...

    def evaluated_weights(self) -> AbstractContextManager:
        """Context in which the model has the weights for evaluation."""
        ...


class HookBase:
    """Base class of hooks; override the methods you need. Registration sets `self.trainer`.

    `trainer.iteration` is the number of finished steps: before the first step it is 0, after it 1.
    """

    trainer: HookedTrainer

    def before_train(self) -> None:
        """Called once, before the first step."""

    def before_step(self) -> None:
        """Called before every step."""

    def after_step(self) -> None:
        """Called after every step."""

    def after_train(self) -> None:
        """Called once after the last step, but not if training was stopped or failed."""

    def close(self) -> None:
        """Called once at the end, also after an error, to release resources."""
