"""Schedules with values typed in, and parameter groups of a model one can count."""

import pytest
import torch
from torch import nn

from lgrseg.engine.solver import CosineSchedule, LinearSchedule, StepSchedule, build_adamw


def test_cosine_by_hand():
    schedule = CosineSchedule(max_iter=10, warmup=2, final=0.1)
    # Warm-up climbs by thirds; then 8 steps of half a cosine from 1 to 0.1.
    assert [schedule(i) for i in (0, 1)] == pytest.approx([1 / 3, 2 / 3])
    assert schedule(2) == pytest.approx(1.0)
    assert schedule(6) == pytest.approx(0.55)  # the middle: (1 + 0.1) / 2
    assert schedule(10) == pytest.approx(0.1)
    assert schedule(99) == pytest.approx(0.1)  # a run that is made longer by a resumption


def test_steps_by_hand():
    schedule = StepSchedule(max_iter=100, milestones=(0.5, 80), gamma=0.5, warmup=0)
    assert [schedule(i) for i in (0, 49, 50, 79, 80, 99)] == [1, 1, 0.5, 0.5, 0.25, 0.25]


def test_warm_up_and_milestones_multiply():
    schedule = StepSchedule(max_iter=10, milestones=(2,), gamma=0.1, warmup=3)
    assert [schedule(i) for i in range(4)] == pytest.approx([0.25, 0.5, 0.075, 0.1])


def test_a_line_to_zero_by_hand():
    schedule = LinearSchedule(max_iter=8, constant=0.5)
    assert [schedule(i) for i in (0, 4, 5, 7, 8, 20)] == [1, 1, 0.75, 0.25, 0, 0]
    assert LinearSchedule(max_iter=8, constant=1.0)(7) == 1
    with pytest.raises(ValueError, match="constant=2: it is a share"):
        LinearSchedule(max_iter=8, constant=2)


def test_a_milestone_before_the_start_is_refused():
    with pytest.raises(ValueError, match="milestones are parts of the run or iterations"):
        StepSchedule(max_iter=10, milestones=(0, 0.5))


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        self.norm = nn.LayerNorm(4)
        self.queries = nn.Embedding(5, 4)
        self.head = nn.Linear(4, 1)
        self.level_embed = nn.Parameter(torch.zeros(3, 4))
        self.frozen = nn.Parameter(torch.zeros(7, 7), requires_grad=False)


def test_parameter_groups_by_hand():
    optimizer = build_adamw(Tiny(), lr=1.0, backbone_lr_factor=0.1, weight_decay=0.5)
    groups = {
        (group["lr"], group["weight_decay"]): sum(p.numel() for p in group["params"])
        for group in optimizer.param_groups
    }
    assert groups == {
        (1.0, 0.5): 4,  # head.weight
        (1.0, 0.0): 1 + 8 + 20 + 12,  # head.bias, norm, queries, level_embed
        (0.1, 0.5): 18,  # the convolution's weight
        (0.1, 0.0): 2 + 4,  # its bias, the batch norm
    }


@pytest.mark.parametrize(("eps", "share"), [(1e-8, 0.5), (1e-12, 1.0)])
def test_eps_takes_its_part_of_the_step(eps, share):
    """The first step is lr g / (|g| + eps): with g = eps = 1e-8 half of what it is without."""
    model = Tiny()
    optimizer = build_adamw(model, lr=0.1, weight_decay=0.0, eps=eps)
    before = model.head.weight.detach().clone()
    model.head.weight.grad = torch.full_like(before, 1e-8)
    optimizer.step()
    moved = before - model.head.weight.detach()
    assert moved.flatten().tolist() == pytest.approx([0.1 * share] * 4, rel=1e-3)


def test_weight_decay_shrinks_only_what_it_should():
    model = Tiny()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
    optimizer = build_adamw(model, lr=0.1, backbone_lr_factor=1.0, weight_decay=0.5)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert model.head.weight.detach().flatten().tolist() == pytest.approx(
        [0.95] * 4
    )  # 1 - 0.1 * 0.5
    assert model.queries.weight.detach().unique().tolist() == [1.0]
    assert model.norm.weight.detach().unique().tolist() == [1.0]
