"""The step and the loop, on a model of one weight."""

import math

import pytest
import torch
from torch import nn

from lgrseg.engine.guard import NonFiniteError, StepGuard, StepRecord
from lgrseg.engine.hook_base import HookBase
from lgrseg.engine.random_numbers import seed_everything
from lgrseg.engine.train_loop import SimpleTrainer, TrainerBase
from lgrseg.modeling.contracts import ClipModel
from lgrseg.structures import Clip, ClipTargets

CPU = torch.device("cpu")


class Line(ClipModel):
    """loss_fit = mean over clips of weight * x, so the gradient is the mean of x."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))

    def forward(self, clips, targets):
        x = torch.stack([clip.frames.flatten()[0] for clip in clips])
        return {"loss_fit": (self.weight * x).mean(), "loss_other": 0 * self.weight}


class Numbers:
    """Clip i of an endless stream shows the number values[i % len(values)]."""

    def __init__(self, values, batch_size):
        self.values, self.batch_size, self.start = values, batch_size, 0

    def set_start(self, iteration):
        self.start = iteration

    def __iter__(self):
        first = self.start * self.batch_size
        while True:
            batch = [self.clip(first + j) for j in range(self.batch_size)]
            yield [clip for clip, _ in batch], [targets for _, targets in batch]
            first += self.batch_size

    def clip(self, number):
        frames = torch.full((1, 1, 1, 1), float(self.values[number % len(self.values)]))
        targets = ClipTargets(torch.ones(1).bool(), torch.ones(0).long(), torch.ones(0, 1, 1, 1))
        return Clip(frames, torch.tensor([number]), f"video{number}"), targets


def trainer_of(values, *, batch_size=1, max_iter=1, lr=1.0, fused=None, **settings):
    model = Line()
    if fused:
        optimizer = torch.optim.SGD(model.parameters(), lr=lr, fused=True)
    else:
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    trainer = SimpleTrainer(
        model=model, optimizer=optimizer, device=CPU, max_iter=max_iter, **settings
    )
    trainer.loader = Numbers(values, batch_size)
    return trainer


def test_one_step_by_hand():
    trainer = trainer_of([1.0, 2.0], batch_size=2)
    trainer.train()
    assert trainer.model.weight.item() == 0.5  # 2 - 1 * mean(1, 2)
    assert float(trainer.metrics["loss"]) == 3.0  # mean(2 * 1, 2 * 2)
    assert float(trainer.metrics["loss_other"]) == 0.0
    assert float(trainer.metrics["grad_norm"]) == 1.5


def test_accumulating_two_batches_of_one_is_one_batch_of_two():
    whole = trainer_of([1.0, 2.0, 4.0], batch_size=2, max_iter=3)
    parts = trainer_of([1.0, 2.0, 4.0], batch_size=1, max_iter=3, accumulate=2)
    whole.train(), parts.train()
    assert whole.model.weight.item() == parts.model.weight.item() == 2 - 1.5 - 2.5 - 3.0
    assert float(whole.metrics["loss"]) == float(parts.metrics["loss"])


def test_clipping_by_hand():
    trainer = trainer_of([10.0], clip_norm=0.5)
    trainer.train()
    assert trainer.model.weight.item() == pytest.approx(1.5, abs=1e-5)  # a step of 0.5, not of 10
    assert float(trainer.metrics["grad_norm"]) == 10.0  # what is logged is before clipping


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_not_finite_stops_before_the_update(bad):
    trainer = trainer_of([1.0, bad, 1.0], max_iter=9, lr=0.5)
    with pytest.raises(NonFiniteError) as caught:
        trainer.train()
    assert trainer.iteration == 1
    assert trainer.model.weight.item() == 1.5  # after the first step alone
    message = str(caught.value)
    assert "at iteration 1" in message
    assert f"loss_fit {bad}" in message and "loss_other" in message and "video1 [1]" in message


def test_a_deferred_decision_skips_the_update_and_is_read_one_step_later():
    # What CUDA does, with the fused optimiser of the CPU.
    trainer = trainer_of([1.0, math.nan, 1.0], max_iter=9, lr=0.5, fused=True)
    trainer.guard = StepGuard(trainer.optimizer, device=CPU, deferred=True)
    with pytest.raises(NonFiniteError, match="at iteration 1:"):
        trainer.train()
    assert trainer.iteration == 2  # the step after it had begun
    assert trainer.model.weight.item() == 1.5


def test_a_deferred_decision_of_the_last_step_is_not_missed():
    trainer = trainer_of([1.0, math.nan], max_iter=2, lr=0.5, fused=True)
    trainer.guard = StepGuard(trainer.optimizer, device=CPU, deferred=True)
    with pytest.raises(NonFiniteError, match="at iteration 1:"):
        trainer.train()
    assert trainer.model.weight.item() == 1.5


def test_deferring_needs_an_optimiser_that_can_skip():
    sgd = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    assert not StepGuard(sgd, device=CPU, deferred=True).deferred


def test_a_finite_gradient_of_an_infinite_loss_stops_too():
    step = StepRecord(0)
    step.add_losses({"loss": torch.tensor(math.inf)})
    with pytest.raises(NonFiniteError):
        StepGuard(torch.optim.SGD([nn.Parameter(torch.zeros(1))]), device=CPU).judge(
            step, torch.tensor(1.0), stop=False
        )


class Told(HookBase):
    def __init__(self, name, told):
        self.name, self.told = name, told

    def before_train(self):
        self.told.append((self.name, "before_train", self.trainer.iteration))

    def before_step(self):
        self.told.append((self.name, "before_step", self.trainer.iteration))

    def after_step(self):
        self.told.append((self.name, "after_step", self.trainer.iteration))

    def after_train(self):
        self.told.append((self.name, "after_train", self.trainer.iteration))

    def close(self):
        self.told.append((self.name, "close", self.trainer.iteration))


class Steps(TrainerBase):
    def run_step(self):
        if self.iteration == 2:
            raise RuntimeError("broken")


def test_hooks_are_called_in_order():
    trainer, told = Steps(max_iter=1), []
    trainer.register_hooks([Told("a", told)])
    trainer.register_hooks([Told("b", told)])
    trainer.train()
    moments = [("before_train", 0), ("before_step", 0), ("after_step", 1), ("after_train", 1)]
    assert told == [(n, m, i) for m, i in [*moments, ("close", 1)] for n in ("a", "b")]


def test_after_an_error_hooks_are_closed_and_no_more():
    trainer, told = Steps(max_iter=5), []
    trainer.register_hooks([Told("a", told)])
    with pytest.raises(RuntimeError, match="broken"):
        trainer.train()
    assert [moment for _, moment, _ in told[-2:]] == ["before_step", "close"]


class Noise(ClipModel):
    """Its loss is a random number: which, must depend on the step alone."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.0))

    def forward(self, clips, targets):
        return {"loss": self.weight * 0 + torch.rand(())}


def losses_drawn(start, stop, seed=0):
    model = Noise()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    trainer = SimpleTrainer(model=model, optimizer=optimizer, device=CPU, max_iter=stop, seed=seed)
    trainer.loader, trainer.iteration, drawn = Numbers([0.0], 1), start, []

    class Keep(HookBase):
        def after_step(self):
            drawn.append(float(self.trainer.metrics["loss"]))
            torch.rand(7)  # what others draw in between changes nothing

    trainer.register_hooks([Keep()])
    trainer.train()
    return drawn


def test_random_numbers_depend_on_seed_and_step_alone():
    whole = losses_drawn(0, 6)
    assert losses_drawn(3, 6) == whole[3:]
    assert len(set(whole)) == 6
    assert losses_drawn(0, 6, seed=1) != whole


def test_seeding_takes_all_numbers_into_account():
    drawn = set()
    for numbers in [(0, 1), (1, 0), (1,), (0, 2**40)]:
        seed_everything(*numbers)
        drawn.add(torch.rand(()).item())
    assert len(drawn) == 4
