"""The engine: trainer, hooks, checkpoints, optimisers, processes."""

from lgrseg.engine.hook_base import HookBase
from lgrseg.engine.train_loop import SimpleTrainer, TrainerBase
from lgrseg.engine.trainer import DefaultTrainer

__all__ = ["DefaultTrainer", "HookBase", "SimpleTrainer", "TrainerBase"]
