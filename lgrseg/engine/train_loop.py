"""The training loop and the training step. Periodic actions are in hooks.py.

Before every batch all random generators are seeded with (seed, number of the batch in the run), and
the loader's samples depend on (seed, position). So a run can be resumed without random states, and
1 process that accumulates 2 batches has the same random numbers as 2 processes.
"""

import contextlib
import functools
import itertools
import time
from collections.abc import Iterable, Iterator
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lgrseg.comm import processes as distributed
from lgrseg.engine.finite import names_not_finite
from lgrseg.engine.guard import NonFiniteError, StepGuard, StepRecord, diverged_in_the_model
from lgrseg.engine.hook_base import HookBase, HookedTrainer
from lgrseg.engine.random_numbers import seed_everything
from lgrseg.engine.workers import batches_of
from lgrseg.modeling.contracts import ClipModel


class TrainerBase:
    """The training loop: steps with hooks around them. A subclass defines the step."""

    def __init__(self, *, max_iter: int):
        """`max_iter` is the total number of steps, including those before a resumption."""
        self.max_iter = max_iter
        self.iteration = 0
        """Number of finished steps; during a step, this is its index."""
        self.start_iteration = 0
        self.hooks: list[HookBase] = []

    def register_hooks(self, hooks: list[HookBase]) -> None:
        """Add hooks; they are called in this order."""
        for hook in hooks:
            # A hook can be used with every trainer that has the attributes that this hook uses.
            hook.trainer = cast(HookedTrainer, self)
        self.hooks += hooks

    def train(self) -> None:
        """Train from the present iteration to `max_iter`; hooks are always closed."""
        self.start_iteration = self.iteration
        try:
            self._call_hooks("before_train")
            while self.iteration < self.max_iter:
                self._call_hooks("before_step")
                self.run_step()
                self.iteration += 1
                self._call_hooks("after_step")
            self._call_hooks("after_train")
        finally:
            self._call_hooks("close")

    def run_step(self) -> None:
        """One update of the weights."""
        raise TypeError(f"{type(self).__name__} must override run_step, which does one update")

    def _call_hooks(self, moment: str) -> None:
        for hook in self.hooks:
            getattr(hook, moment)()


class StartableLoader(Protocol):
    """Endless batches: (clips, targets), or (clips, targets, unlabelled views)."""

    def set_start(self, iteration: int) -> None:
        """Let the next pass start with the batch of this iteration."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class SimpleTrainer(TrainerBase):
    """Training step (forward, backward, clip, update) of any model that returns losses."""

    def __init__(
        self,
        *,
        model: ClipModel,
        optimizer: torch.optim.Optimizer,
        device: torch.device,
        max_iter: int,
        seed: int = 0,
        accumulate: int = 1,
        clip_norm: float | None = None,
        amp: bool = False,
        find_unused_parameters: bool = False,
    ):
        """Set up the training step; settings.py describes the settings.

        The attribute `loader` must be set before `train`.
        """
        super().__init__(max_iter=max_iter)
        self.model, self.optimizer, self.device = model, optimizer, device
        self.seed, self.accumulate = seed, accumulate
        self.clip_norm, self.amp = clip_norm, amp
        self.wrapped: nn.Module = model
        if distributed.get_world_size() > 1:
            self.wrapped = DistributedDataParallel(
                model, find_unused_parameters=find_unused_parameters
            )
        self.guard = StepGuard(optimizer, device=device)
        self.loader: StartableLoader | None = None
        self.batch_offset = 0
        """Batches per process beyond `iteration * accumulate`, if the run was started with
        another number of processes or of accumulated batches."""
        self.signal: int | None = None
        """Stop signal that this process received; None without a signal."""
        self.stop_agreed = False
        """True if any process received a stop signal; all stop after this step."""
        self.metrics: dict[str, float | Tensor] = {}
        """Metrics of the last step; tensors are not read here, because this synchronises CUDA."""

    @property
    def should_stop(self) -> bool:
        """True if all processes should stop after the present step."""
        alone = distributed.get_world_size() == 1
        return self.stop_agreed or (alone and self.signal is not None)

    @property
    def batches_done(self) -> int:
        """Number of batches of every process so far, where the loader continues."""
        return self.iteration * self.accumulate + self.batch_offset

    def train(self) -> None:
        """Train to `max_iter`.

        Raises:
            ValueError: `loader` is not set.
        """
        if self.loader is None:
            raise ValueError("there are no training clips: set trainer.loader before train()")
        self.loader.set_start(self.batches_done)
        self.model.train()
        with batches_of(self.loader) as self._batches:
            super().train()

    def run_step(self) -> None:
        """Do one update with `accumulate` batches of every process."""
        begin = time.perf_counter()
        step = StepRecord(self.iteration)
        try:
            self.compute_gradient(step)
            norm = self._update(step)
        except NonFiniteError as error:
            # Only parameters: means of a batch norm may have become NaN in this step.
            if bad := names_not_finite(self.model, dict(self.model.named_parameters())):
                shown = ", ".join(bad[:3]) + (", ..." if len(bad) > 3 else "")
                error.add_note(f"weights that were not finite before this step: {shown}")
            raise
        self.metrics = {
            **self._means(step),
            **self.model.monitored,
            "grad_norm": norm,
            "step_seconds": time.perf_counter() - begin,
            "data_seconds": step.data_seconds,
        }

    def compute_gradient(self, step: StepRecord) -> None:
        """Forward and backward pass; weights do not change.

        Args:
            step: record to which clips and losses of the step are added.

        Raises:
            NonFiniteError: numbers in the model are not finite.
        """
        self.optimizer.zero_grad(set_to_none=True)
        begin = time.perf_counter()
        batches = self._next_batches()
        step.data_seconds = time.perf_counter() - begin
        totals = self._totals(batches)
        for number, batch in enumerate(batches):
            seed_everything(self.seed, self._batch_number(number))
            clips, _, *unlabelled = batch
            step.add_clips([*clips, *itertools.chain(*unlabelled)])
            with self._reducing(number == self.accumulate - 1):
                try:
                    losses = self._losses(batch, totals)
                except FloatingPointError as error:
                    raise diverged_in_the_model(step, error, self.metrics) from error
                step.add_losses(losses)
                (_total(losses.values()) / self.accumulate).backward()

    def _update(self, step: StepRecord) -> Tensor:
        """Clip the gradient, update if it is finite, and return the gradient's norm."""
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients, foreach=True)
        if self.guard.judge(step, norm, stop=self.signal is not None):
            self.stop_agreed = True
        if self.clip_norm is not None:
            nn.utils.clip_grads_with_norm_(self.model.parameters(), self.clip_norm, norm)
        self.optimizer.step()
        if self.iteration + 1 == self.max_iter:
            self.guard.settle()
        return norm

    def _next_batches(self) -> list:
        return [next(self._batches) for _ in range(self.accumulate)]

    def _totals(self, batches) -> dict[str, Tensor] | None:
        """Divisors of the losses, as means over the step's batches in all processes.

        Losses and gradients are averaged over batches and processes. With these divisors the
        average is the same as for one batch with all clips. Without `loss_totals` it is the mean
        of the means of the batches.
        """
        totals = [self.model.loss_totals(targets) for _, targets, *_ in batches]
        parts = [part for part in totals if part is not None]
        if not parts:
            return None
        means = {name: sum(part[name] for part in parts) / self.accumulate for name in parts[0]}
        return distributed.mean_over_processes(means, self.device)

    def _losses(self, batch, totals) -> dict[str, Tensor]:
        """`batch` is (clips, targets), or (clips, targets, unlabelled views)."""
        batch = [[item.to(self.device) for item in part] for part in batch]
        extra = {} if totals is None else {"totals": totals}
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            return self.wrapped(*batch, **extra)

    def _batch_number(self, number: int) -> int:
        """Number of a batch of this step among all batches of the run in all processes."""
        own_number = self.batches_done + number
        return own_number * distributed.get_world_size() + distributed.get_rank()

    def _reducing(self, last: bool):
        """Context in which processes sum gradients only with the last batch of a step."""
        if isinstance(self.wrapped, DistributedDataParallel) and not last:
            return self.wrapped.no_sync()
        return contextlib.nullcontext()

    def _means(self, step: StepRecord) -> dict[str, Tensor]:
        means = {
            name: _total(losses[name] for losses in step.losses) / self.accumulate
            for name in step.losses[0]
        }
        return means | {"loss": _total(means.values())}


def _total(numbers: Iterable[Tensor]) -> Tensor:
    """Add tensors, at least one, from the first to the last."""
    return functools.reduce(torch.add, numbers)
