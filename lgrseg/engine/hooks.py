"""Hooks around training steps: learning rate, checkpoints, evaluation.

Hooks are called in the order of the trainer's list.
"""

import logging
import math
import signal

from torch import Tensor

from lgrseg.checkpoint.files import copy_checkpoint, remove_old
from lgrseg.comm import processes as distributed
from lgrseg.engine.guard import NonFiniteError
from lgrseg.engine.hook_base import HookBase, HookedTrainer
from lgrseg.engine.run_folder import forget_replaced
from lgrseg.engine.stopping import EvaluationInterruptedError, StopRequested
from lgrseg.engine.writers import read_metrics, write_metrics

logger = logging.getLogger("lgrseg")


def is_due(iteration: int, period: int) -> bool:
    """True if an action every `period` steps (0: never) is due after this many steps."""
    return bool(period) and iteration > 0 and iteration % period == 0


class LRScheduler(HookBase):
    """Sets each group's learning rate to its initial rate x schedule(iteration) before a step."""

    def __init__(self, schedule):
        """`schedule(iteration)` returns a factor; it must not have state."""
        self.schedule = schedule

    def before_train(self) -> None:
        """Store the initial rates of the optimiser."""
        self._rates = [group["initial_lr"] for group in self.trainer.optimizer.param_groups]

    def before_step(self) -> None:
        """Set the rates of the next step.

        Raises:
            NonFiniteError: the factor of the schedule is not finite.
        """
        iteration = self.trainer.iteration
        factor = self.schedule(iteration)
        if not math.isfinite(factor):
            raise NonFiniteError(
                f"the schedule's factor at iteration {iteration} is {factor}: look at its settings "
                "in the config (schedule.*). The weights were not changed"
            )
        for group, rate in zip(self.trainer.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor


class AverageWeights(HookBase):
    """Adds the weights after every step to `trainer.average`."""

    def after_step(self) -> None:
        """Update the average."""
        average = self.trainer.average
        assert average is not None, "this hook is for trainers that average the weights"
        average.update()


class Teaching(HookBase):
    """Sets the iteration of a model with a teacher, and updates the teacher after every step."""

    def before_step(self) -> None:
        """Set the iteration, from which schedules are computed."""
        self.trainer.model.before_update(self.trainer.iteration)

    def after_step(self) -> None:
        """Update the teacher with the new weights."""
        self.trainer.model.after_update()


class WatchCollapse(HookBase):
    """Warns if the outputs of a distilled teacher have collapsed.

    At the start of training outputs are uninformative too, so the warning needs several periods.
    """

    def __init__(self, *, period: int, patience: int = 5):
        """Check means over `period` steps; warn after `patience` consecutive bad ones."""
        self.period, self.patience = period, patience

    def before_train(self) -> None:
        """Reset the means."""
        self._seen: dict[str, list[Tensor]] = {}
        self._num_bad = 0

    def after_step(self) -> None:
        """Add the numbers on the device, and check them if it is due."""
        trainer = self.trainer
        for name, value in trainer.model.monitored.items():
            self._seen.setdefault(name, []).append(value)
        if trainer.iteration % self.period:
            return
        means = {name: float(sum(values)) / len(values) for name, values in self._seen.items()}
        self._seen = {}
        complaint = trainer.model.complaint(means)
        self._num_bad = self._num_bad + 1 if complaint else 0
        if self._num_bad == self.patience:
            logger.warning("iteration %d: %s", trainer.iteration, complaint)


class PeriodicCheckpointer(HookBase):
    """Writes `last`, and a numbered copy, every `period` steps and at the end.

    The first checkpoint deletes the run that this run replaces, if there is one.
    """

    def __init__(self, *, period: int, keep: int):
        """Only the last `keep` numbered checkpoints are kept."""
        self.period, self.keep = period, keep

    def after_step(self) -> None:
        """Save if it is due."""
        trainer = self.trainer
        if trainer.iteration < trainer.max_iter and not is_due(trainer.iteration, self.period):
            return
        trainer.save("last")
        if not distributed.is_main_process():
            return
        forget_replaced(trainer.output_dir)
        if self.keep:
            copy_checkpoint(trainer.checkpoints, "last", f"iter_{trainer.iteration}")
            remove_old(trainer.checkpoints, self.keep)


class EvalHook(HookBase):
    """Evaluates the first test dataset every `period` steps and all at the end; saves `best`."""

    def __init__(self, *, period: int):
        """`period` in steps; 0 evaluates only at the end."""
        self.period = period

    def before_train(self) -> None:
        """Repeat an evaluation in which the run was stopped."""
        trainer = self.trainer
        iteration = trainer.iteration
        if is_due(iteration, self.period) and iteration < trainer.max_iter:
            done = _is_recorded(trainer, self._names()[0])
            if not any(distributed.all_gather_object(done)):
                self._evaluate_or_stop(self._names()[:1])

    def after_step(self) -> None:
        """Evaluate if it is due, but not twice at the end."""
        trainer = self.trainer
        if is_due(trainer.iteration, self.period) and trainer.iteration < trainer.max_iter:
            self._evaluate_or_stop(self._names()[:1])

    def after_train(self) -> None:
        """Evaluate all test datasets."""
        self._evaluate_or_stop(self._names())

    def _names(self) -> list[str]:
        return list(self.trainer.cfg.dataloader.test)

    def _evaluate_or_stop(self, names: list[str]) -> None:
        trainer = self.trainer
        try:
            results = trainer.test(names, interruptible=True)
        except EvaluationInterruptedError:
            trainer.save("last")
            raise StopRequested(trainer.signal or signal.SIGTERM) from None
        for name, result in results.items():
            record_results(trainer, name, result)
        if names:
            first = results[names[0]]
            self._keep_best(first["mean"][headline(first)["mean"]])

    def _keep_best(self, score: float | None) -> None:
        trainer = self.trainer
        if score is None or not math.isfinite(score):
            return
        if trainer.best_score is None or score > trainer.best_score:
            trainer.best_score = score
            trainer.save("best")


def headline(results: dict) -> dict[str, str]:
    """Names of the main measure of the "mean" and of each "class".

    They are in the results of some evaluators; otherwise the measure is Dice.
    """
    return results.get("headline", {"mean": "dice", "class": "dice"})


def is_evaluated(line: dict, dataset: str) -> bool:
    """True if a line of metrics.jsonl has an evaluation of this dataset."""
    return any(key.startswith(f"eval/{dataset}/mean_") for key in line)


def _is_recorded(trainer: HookedTrainer, dataset: str) -> bool:
    lines = read_metrics(trainer.output_dir)
    return any(
        line["iteration"] == trainer.iteration and is_evaluated(line, dataset) for line in lines
    )


def record_results(trainer: HookedTrainer, name: str, results: dict) -> None:
    """Write the scores of a dataset to metrics.jsonl, TensorBoard and the log.

    If a finished run is evaluated again, no second line is written.
    """
    of_mean, of_class = headline(results)["mean"], headline(results)["class"]
    line = {f"eval/{name}/mean_{of_mean}": results["mean"][of_mean]}
    line |= {
        f"eval/{name}/{cls}_{of_class}": scores[of_class]
        for cls, scores in results["classes"].items()
    }
    if not _is_recorded(trainer, name):
        write_metrics(trainer, line)
    shown = ", ".join(
        f"{key.rsplit('/', 1)[1]} {'-' if score is None else f'{score:.4f}'}"
        for key, score in line.items()
    )
    logger.info("iteration %d, %s: %s", trainer.iteration, name, shown)
