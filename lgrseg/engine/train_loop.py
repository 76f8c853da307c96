"""The training loop and the training step. What happens now and then is in hooks.py.

Randomness is a function: before every batch all generators are seeded from (seed, number of the
batch in the run), and what the loader gives depends on (seed, position) too. So going on with a run
needs no random state, and 1 process that accumulates 2 batches draws what 2 processes draw.
"""

import contextlib
import itertools
import os
import random
import time

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lgrseg.comm import processes as distributed
from lgrseg.engine.finite import names_not_finite
from lgrseg.engine.guard import NonFiniteError, StepGuard, StepRecord, diverged_in_the_model
from lgrseg.engine.hook_base import HookBase
from lgrseg.engine.workers import batches_of


class TrainerBase:
    """The loop: hooks around steps. A subclass says what a step is."""

    def __init__(self, *, max_iter: int):
        """`max_iter` steps in all, those before a resumption included."""
        self.max_iter = max_iter
        self.iteration = 0
        """Steps done so far: the number of the present step before it, one more after it."""
        self.start_iteration = 0
        self.hooks: list[HookBase] = []

    def register_hooks(self, hooks: list[HookBase]) -> None:
        """Add hooks; they are called in this order."""
        for hook in hooks:
            hook.trainer = self
        self.hooks += hooks

    def train(self) -> None:
        """Train from the present iteration to `max_iter`; hooks are closed whatever happens."""
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
        raise TypeError(f"{type(self).__name__} does not say what a step is: override run_step")

    def _call_hooks(self, moment: str) -> None:
        for hook in self.hooks:
            getattr(hook, moment)()


class SimpleTrainer(TrainerBase):
    """Forward, backward, clip, update: for any model that returns a dict of losses."""

    def __init__(
        self,
        *,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        device: torch.device,
        max_iter: int,
        seed: int = 0,
        accumulate: int = 1,
        clip_norm: float | None = None,
        amp: bool = False,
        find_unused_parameters: bool = False,
    ):
        """Each setting is described in settings.py.

        `loader` (endless batches of clips and targets, with `set_start`) is set before `train`.
        """
        super().__init__(max_iter=max_iter)
        self.model, self.optimizer, self.device = model, optimizer, device
        self.seed, self.accumulate = seed, accumulate
        self.clip_norm, self.amp = clip_norm, amp
        self.wrapped = model
        if distributed.get_world_size() > 1:
            self.wrapped = DistributedDataParallel(
                model, find_unused_parameters=find_unused_parameters
            )
        self.guard = StepGuard(optimizer, device=device)
        self.loader = None
        self.batch_offset = 0
        """Batches that every process saw beyond `iteration * accumulate`, in a run that began with
        other numbers of processes or of accumulated batches."""
        self.signal: int | None = None
        """The signal by which this process was asked to stop."""
        self.stop_agreed = False
        """Some process was asked to stop: all do so after this step."""
        self.metrics: dict[str, float | Tensor] = {}
        """Of the last step; tensors are not read here, because on CUDA that waits."""

    @property
    def should_stop(self) -> bool:
        """Whether to end the run after the present step, so that all processes do."""
        alone = distributed.get_world_size() == 1
        return self.stop_agreed or (alone and self.signal is not None)

    @property
    def batches_done(self) -> int:
        """Batches that every process has seen: where the loader goes on."""
        return self.iteration * self.accumulate + self.batch_offset

    def train(self) -> None:
        """Train to `max_iter`."""
        self.loader.set_start(self.batches_done)
        self.model.train()
        with batches_of(self.loader) as self._batches:
            super().train()

    def run_step(self) -> None:
        """One update, from `accumulate` batches of every process."""
        begin = time.perf_counter()
        step = StepRecord(self.iteration)
        try:
            self.compute_gradient(step)
            norm = self._update(step)
        except NonFiniteError as error:
            # Parameters alone: a batch norm's means may have become so in this very step.
            if bad := names_not_finite(self.model, dict(self.model.named_parameters())):
                shown = ", ".join(bad[:3]) + (", ..." if len(bad) > 3 else "")
                error.add_note(f"weights that were not finite before this step: {shown}")
            raise
        self.metrics = (
            self._means(step)
            | dict(self.model.monitored)
            | {
                "grad_norm": norm,
                "step_seconds": time.perf_counter() - begin,
                "data_seconds": step.data_seconds,
            }
        )

    def compute_gradient(self, step: StepRecord) -> None:
        """Forward and backward; the weights are left alone.

        Args:
            step: gets its clips, then its losses.

        Raises:
            NonFiniteError: the model met numbers that are not finite.
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
                (sum(losses.values()) / self.accumulate).backward()

    def _update(self, step: StepRecord) -> Tensor:
        """Clip the gradient and take the step, unless it is not finite; the gradient's norm."""
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
        """What losses are divided by, as a mean over the step's batches in all processes.

        Losses and gradients are averaged over batches and processes. With these divisors that
        average is what one batch of all the clips would give; a model without `loss_totals`
        gets the mean of its batches' means.
        """
        found = [self.model.loss_totals(targets) for _, targets, *_ in batches]
        if found[0] is None:
            return None
        means = {name: sum(part[name] for part in found) / self.accumulate for name in found[0]}
        return distributed.mean_over_processes(means, self.device)

    def _losses(self, batch, totals) -> dict[str, Tensor]:
        """`batch` is (clips, targets), and where there are any (..., unlabelled views)."""
        batch = [[item.to(self.device) for item in part] for part in batch]
        extra = {} if totals is None else {"totals": totals}
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            return self.wrapped(*batch, **extra)

    def _batch_number(self, number: int) -> int:
        """The number of a batch of this step among all batches of all processes of the run."""
        own = self.batches_done + number
        return own * distributed.get_world_size() + distributed.get_rank()

    def _reducing(self, last: bool):
        """Processes add up their gradients once a step, with the last batch."""
        if last or self.wrapped is self.model:
            return contextlib.nullcontext()
        return self.wrapped.no_sync()

    def _means(self, step: StepRecord) -> dict[str, Tensor]:
        means = {
            name: sum(losses[name] for losses in step.losses) / self.accumulate
            for name in step.losses[0]
        }
        return means | {"loss": sum(means.values())}


def use_deterministic_algorithms() -> None:
    """Add up gradients in an order of their own; torch warns of operations that cannot."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it starts
    torch.use_deterministic_algorithms(True, warn_only=True)


def seed_everything(*numbers: int) -> None:
    """Seed torch (all devices), NumPy and random from a tuple of numbers."""
    # Their count goes in first, because trailing zeros alone would change nothing.
    seeds = np.random.SeedSequence([len(numbers), *numbers]).generate_state(2, np.uint64)
    torch.manual_seed(int(seeds[0]))
    np.random.seed(int(seeds[1]) % 2**32)
    random.seed(int(seeds[1]))
