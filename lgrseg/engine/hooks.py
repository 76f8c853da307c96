"""What happens around training steps: learning rate, checkpoints, evaluation, stopping.

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
from lgrseg.engine.workers import STOP_SIGNALS
from lgrseg.engine.writers import read_metrics, write_metrics

logger = logging.getLogger("lgrseg")


class StopRequested(Exception):
    """The process was asked to end by a signal; the run has been saved."""

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


class EvaluationInterruptedError(Exception):
    """A signal came during an evaluation; what it had found so far is forgotten."""


def is_due(iteration: int, period: int) -> bool:
    """Whether something that happens every `period` steps (0: never) does after this many."""
    return bool(period) and iteration > 0 and iteration % period == 0


class LearningRate(HookBase):
    """Before every step, each group's rate is its own rate x schedule(iteration)."""

    def __init__(self, schedule):
        """`schedule(iteration)` gives a factor and depends on nothing else."""
        self.schedule = schedule

    def before_train(self) -> None:
        """Keep the rates that the optimiser was built with."""
        self._rates = [group["initial_lr"] for group in self.trainer.optimizer.param_groups]

    def before_step(self) -> None:
        """Set the rates of the coming step.

        Raises:
            NonFiniteError: the schedule's factor would spoil the weights.
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
    """Takes the weights of every step into `trainer.average`."""

    def after_step(self) -> None:
        """Update the average."""
        self.trainer.average.update()


class Teaching(HookBase):
    """Tells a model with a teacher the iteration, and lets the teacher follow every update."""

    def before_step(self) -> None:
        """Schedules are functions of the iteration."""
        self.trainer.model.before_update(self.trainer.iteration)

    def after_step(self) -> None:
        """The weights are new."""
        self.trainer.model.after_update()


class WatchCollapse(HookBase):
    """Warns when the answers of a teacher that is distilled say nothing any more.

    A teacher that has just begun says nothing yet: what is wrong must stay wrong for a while.
    """

    def __init__(self, *, period: int, patience: int = 5):
        """Looks at means over `period` steps; warns after `patience` bad ones in a row."""
        self.period, self.patience = period, patience

    def before_train(self) -> None:
        """Nothing was seen yet."""
        self._seen: dict[str, list[Tensor]] = {}
        self._num_bad = 0

    def after_step(self) -> None:
        """Gather, and look where it is due; the numbers stay on the device until then."""
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


class Checkpointer(HookBase):
    """Writes `last`, and a numbered copy, every `period` steps and at the end.

    With the first one, a run that this one replaces is deleted.
    """

    def __init__(self, *, period: int, keep: int):
        """`keep` numbered checkpoints stay, the last ones."""
        self.period, self.keep = period, keep

    def after_step(self) -> None:
        """Save where it is due."""
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


class Evaluation(HookBase):
    """Scores on the first test dataset every `period` steps, on all at the end; keeps the best."""

    def __init__(self, *, period: int):
        """`period` in steps; 0 for the end only."""
        self.period = period

    def before_train(self) -> None:
        """Catch up on an evaluation that the run was stopped in."""
        trainer = self.trainer
        iteration = trainer.iteration
        if is_due(iteration, self.period) and iteration < trainer.max_iter:
            done = _is_recorded(trainer, self._names()[0])
            if not any(distributed.all_gather_object(done)):
                self._evaluate_or_stop(self._names()[:1])

    def after_step(self) -> None:
        """Evaluate where it is due, not twice at the end."""
        trainer = self.trainer
        if is_due(trainer.iteration, self.period) and trainer.iteration < trainer.max_iter:
            self._evaluate_or_stop(self._names()[:1])

    def after_train(self) -> None:
        """Evaluate on everything."""
        self._evaluate_or_stop(self._names())

    def _names(self) -> list[str]:
        return list(self.trainer.cfg.dataloader.test)

    def _evaluate_or_stop(self, names: list[str]) -> None:
        trainer = self.trainer
        try:
            results = trainer.test(names, interruptible=True)
        except EvaluationInterruptedError:
            trainer.save("last")
            raise StopRequested(trainer.signal) from None
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


class StopOnSignal(HookBase):
    """SIGTERM, and Ctrl-C, save the run and end it after the present step.

    A second Ctrl-C ends it at once.
    """

    def before_train(self) -> None:
        """Listen; only the main thread can."""
        self._before = {}
        try:
            for number in STOP_SIGNALS:
                self._before[number] = signal.signal(number, self._remember)
        except ValueError:
            logger.debug("not in the main thread: signals are not listened to")

    def _remember(self, number: int, frame) -> None:
        if self.trainer.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.trainer.signal = number

    def after_step(self) -> None:
        """Save and leave, all processes after the same step."""
        if self.trainer.should_stop:
            self.trainer.save("last")
            raise StopRequested(self.trainer.signal or signal.SIGTERM)

    def close(self) -> None:
        """Put the earlier handlers back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


def headline(results: dict) -> dict[str, str]:
    """Which measure of the "mean", and of each "class", a run is followed and judged by.

    An evaluator may say so in its results; Dice otherwise.
    """
    return results.get("headline", {"mean": "dice", "class": "dice"})


def is_evaluated(line: dict, dataset: str) -> bool:
    """Whether a line of metrics.jsonl holds an evaluation on this dataset."""
    return any(key.startswith(f"eval/{dataset}/mean_") for key in line)


def _is_recorded(trainer: HookedTrainer, dataset: str) -> bool:
    lines = read_metrics(trainer.output_dir)
    return any(
        line["iteration"] == trainer.iteration and is_evaluated(line, dataset) for line in lines
    )


def record_results(trainer: HookedTrainer, name: str, results: dict) -> None:
    """Scores of a dataset into metrics.jsonl, TensorBoard and the log.

    A finished run that is evaluated once more gets no second line.
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
