"""What happens around training steps: evaluation, checkpoints, logs.

A hook's methods are called in the order of the trainer's hooks; `trainer.iteration` counts finished
steps in `after_step`.
"""

import json
import logging
import resource
import sys
import time
from typing import TYPE_CHECKING

import torch

from lgrseg.engine import distributed
from lgrseg.engine.checkpoint import remove_old

if TYPE_CHECKING:
    from lgrseg.engine.trainer import DefaultTrainer

logger = logging.getLogger("lgrseg")


class HookBase:
    """Override what you need; `self.trainer` is set before the first call."""

    trainer: "DefaultTrainer"

    def before_train(self) -> None:
        """Once, before the first step."""

    def before_step(self) -> None:
        """Before every step."""

    def after_step(self) -> None:
        """After every step."""

    def after_train(self) -> None:
        """Once, after the last step; not when training was stopped."""


def is_due(iteration: int, period: int, max_iter: int) -> bool:
    """Whether something periodic happens after this many steps; never twice at the end."""
    return bool(period) and iteration % period == 0 and iteration < max_iter


class Evaluation(HookBase):
    """Scores on the first test dataset every `train.eval_period` steps, on all at the end."""

    def after_step(self) -> None:
        """Evaluate where it is due, and keep the best weights."""
        trainer = self.trainer
        if is_due(trainer.iteration, trainer.settings.eval_period, trainer.max_iter):
            self._evaluate([next(iter(trainer.cfg.dataloader.test))])

    def after_train(self) -> None:
        """Evaluate on everything."""
        self._evaluate(list(self.trainer.cfg.dataloader.test))

    def _evaluate(self, names: list[str]) -> None:
        trainer = self.trainer
        results = trainer.test(names)
        line = {}
        for name, result in results.items():
            line[f"eval/{name}/mean_dice"] = result["mean"]["dice"]
            for cls, scores in result["classes"].items():
                line[f"eval/{name}/{cls}_dice"] = scores["dice"]
        write_metrics(trainer, line)
        first = results[names[0]]
        score = first["mean"]["dice"]
        classes = {cls: scores["dice"] for cls, scores in first["classes"].items()}
        logger.info("%s: mean Dice %s, %s", names[0], _number(score), _numbers(classes))
        if score is not None and (trainer.best_score is None or score > trainer.best_score):
            trainer.best_score = score
            trainer.save("best", with_state=False)


class Checkpointer(HookBase):
    """Writes `last`, and a numbered copy, every `train.checkpoint_period` steps and at the end."""

    def after_step(self) -> None:
        """Save where it is due."""
        trainer = self.trainer
        if is_due(trainer.iteration, trainer.settings.checkpoint_period, trainer.max_iter):
            self._save()

    def after_train(self) -> None:
        """Save the end."""
        self._save()

    def _save(self) -> None:
        trainer = self.trainer
        trainer.save("last")
        if trainer.settings.keep_checkpoints and distributed.is_main_process():
            trainer.save(f"iter_{trainer.iteration}", with_state=False)
            remove_old(trainer.checkpoints, trainer.settings.keep_checkpoints)
        distributed.barrier()


class MetricsWriter(HookBase):
    """metrics.jsonl, TensorBoard, and a line on the console every `train.log_period` steps."""

    def before_train(self) -> None:
        """Open what is written to."""
        self._sums: dict[str, float] = {}
        self._count = 0
        self._begin, self._from = time.perf_counter(), self.trainer.iteration
        self._bar = None
        if distributed.is_main_process() and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=self.trainer.max_iter, initial=self._from, unit="step")

    def after_step(self) -> None:
        """Add the step to the running means, and write them where it is due."""
        trainer = self.trainer
        for name, value in trainer.metrics.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        if self._bar is not None:
            self._bar.update()
        if trainer.iteration % trainer.settings.log_period == 0 or (
            trainer.iteration == trainer.max_iter
        ):
            self._write()

    def after_train(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()

    def _write(self) -> None:
        trainer = self.trainer
        means = {name: total / self._count for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
        memory = peak_memory_mib()
        write_metrics(trainer, means | {"peak_memory_mib": memory})
        rate = (time.perf_counter() - self._begin) / max(1, trainer.iteration - self._from)
        left = rate * (trainer.max_iter - trainer.iteration)
        parts = {n: v for n, v in means.items() if n.startswith("loss")}
        logger.info(
            "iteration %d/%d, left %d:%02d, %.3f s/step (data %.3f), lr %.2e, %s, %d MiB",
            trainer.iteration,
            trainer.max_iter,
            *divmod(round(left), 60),
            means["step_seconds"],
            means["data_seconds"],
            means["lr"],
            _numbers(parts),
            memory,
        )


def write_metrics(trainer: "DefaultTrainer", values: dict[str, float]) -> None:
    """One line in metrics.jsonl and the same scalars in TensorBoard; the main process only."""
    if not distributed.is_main_process():
        return
    line = {"iteration": trainer.iteration, "train_seconds": round(trainer.train_seconds, 3)}
    with open(trainer.output_dir / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(line | values) + "\n")
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(trainer.output_dir / "tensorboard")) as writer:
        for name, value in values.items():
            if value is not None:
                writer.add_scalar(name, value, trainer.iteration)


def peak_memory_mib() -> int:
    """The most memory held so far: on the GPU where there is one, else by this process."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return round(torch.cuda.max_memory_allocated() / 2**20)
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(kilobytes / 2**10 if sys.platform != "darwin" else kilobytes / 2**20)


def _numbers(values: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {_number(value)}" for name, value in values.items())


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
