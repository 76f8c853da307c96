"""Stopping a run by SIGTERM or Ctrl-C, so that it is saved and can be resumed."""

import logging
import signal
from collections.abc import Iterator

from torch.utils.data import DataLoader

from lgrseg.comm import processes as distributed
from lgrseg.engine.hook_base import HookBase
from lgrseg.engine.train_loop import SimpleTrainer
from lgrseg.engine.workers import STOP_SIGNALS, batches_of

logger = logging.getLogger("lgrseg")


class StopRequested(Exception):
    """The process received a stop signal; the run has been saved."""

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


class EvaluationInterruptedError(Exception):
    """A stop signal interrupted an evaluation; its partial results are discarded."""


class StopOnSignal(HookBase):
    """Saves and ends the run after the present step for SIGTERM or Ctrl-C.

    A second Ctrl-C ends it at once.
    """

    def before_train(self) -> None:
        """Install the signal handlers, which is only possible in the main thread."""
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
        """Save and stop, in all processes after the same step."""
        if self.trainer.should_stop:
            self.trainer.save("last")
            raise StopRequested(self.trainer.signal or signal.SIGTERM)

    def close(self) -> None:
        """Restore the earlier signal handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


class StoppableLoader:
    """A test loader that stops at a signal.

    It stops only if there is a single process, because other processes would wait for this one.
    """

    def __init__(self, loader: DataLoader, trainer: SimpleTrainer):
        """Wrap a loader; `trainer.signal` is the signal."""
        self.loader, self.trainer = loader, trainer

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator:
        with batches_of(self.loader) as batches:
            for batch in batches:
                if self.trainer.signal is not None and distributed.get_world_size() == 1:
                    raise EvaluationInterruptedError
                yield batch
