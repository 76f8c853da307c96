"""Optimisers and learning-rate schedules."""

import math
from collections.abc import Mapping

import torch
from torch import nn


def build_adamw(
    model: nn.Module,
    *,
    lr: float,
    backbone_lr_factor: float = 0.1,
    weight_decay: float = 1e-4,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    lr_factors: Mapping[str, float] | None = None,
) -> torch.optim.AdamW:
    """Build an AdamW with two or more learning rates and two weight decays.

    Parameters in `backbone` of the model, or of its student, have the rate lr * backbone_lr_factor.
    Those in another part of the model, such as `masks`, have lr * lr_factors["masks"] if it is
    given.
    Norms, embeddings and tensors with one dimension (biases, scales) have no weight decay, and
    neither has the scan's A_log, because decay would pull all time constants to 1.

    `eps` is added to the root of Adam's second moment, which is as small as the clipped gradient:
    with `train.clip_norm=0.01` its median was 1.5e-8 at the end of `configs/lgrnet/long.py`, so
    1e-8 reduced the step by 40%, and more for small gradients. Choose eps, clip_norm and lr
    together: where clip_norm makes gradients n times smaller, eps must be n times smaller for equal
    steps.

    Raises:
        ValueError: `lr_factors` has a part without trained parameters, or the backbone.
    """
    plain = undecayed(model)
    factors = {"": 1.0, **(lr_factors or {})}
    groups: dict[tuple[bool, str, bool], list] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            part = name.split(".")[0]
            in_backbone = "backbone" in name.split(".")[:2]
            other = part if part in factors and not in_backbone else ""
            groups.setdefault((in_backbone, other, name in plain), []).append(parameter)
    unknown = set(factors) - {other for _, other, _ in groups} - {""}
    if unknown:
        parts = ", ".join(name for name, _ in model.named_children())
        raise ValueError(
            f"lr_factors has {min(unknown)}, but the parts of the model are {parts}; the rate of "
            "the backbone is set by backbone_lr_factor"
        )
    settings = [
        {
            "params": parameters,
            "lr": lr * (backbone_lr_factor if in_backbone else factors[other]),
            "weight_decay": 0.0 if undecayed else weight_decay,
        }
        for (in_backbone, other, undecayed), parameters in sorted(
            groups.items(), key=lambda group: group[0]
        )
    ]
    first, second = betas
    return torch.optim.AdamW(settings, lr=lr, betas=(first, second), eps=eps, fused=True)


def undecayed(model: nn.Module) -> set[str]:
    """Names of the parameters without weight decay, see `build_adamw`."""
    plain = set()
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            has_no_decay = parameter.dim() < 2 or isinstance(module, nn.Embedding)
            if has_no_decay or name in ("A_log", "D", "step_bias", "level_embed"):
                plain.add(f"{prefix}.{name}" if prefix else name)
    return plain


class CosineSchedule:
    """Linear warm-up, then half a cosine down to `final` of the rate."""

    def __init__(self, *, max_iter: int, warmup: int = 100, final: float = 0.01):
        """`max_iter` and `warmup` count optimiser steps."""
        self.max_iter, self.warmup, self.final = max_iter, warmup, final

    def __call__(self, iteration: int) -> float:
        """Factor of all learning rates at this iteration, counted from 0."""
        if iteration < self.warmup:
            return (iteration + 1) / (self.warmup + 1)
        done = (iteration - self.warmup) / max(1, self.max_iter - self.warmup)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


class StepSchedule:
    """Linear warm-up, then the rate is multiplied by `gamma` at every milestone."""

    def __init__(
        self, *, max_iter: int, milestones: tuple[float, ...], gamma: float = 0.5, warmup: int = 100
    ):
        """Milestones below 1 are parts of `max_iter`; others are iterations.

        Raises:
            ValueError: a milestone is not above 0.
        """
        if any(milestone <= 0 for milestone in milestones):
            raise ValueError(f"milestones are parts of the run or iterations, not {milestones}")
        self.milestones = [m * max_iter if m < 1 else m for m in milestones]
        self.gamma, self.warmup = gamma, warmup

    def __call__(self, iteration: int) -> float:
        """Factor of all learning rates at this iteration, counted from 0."""
        warm = min(1.0, (iteration + 1) / (self.warmup + 1))
        return warm * self.gamma ** sum(iteration >= milestone for milestone in self.milestones)


class LinearSchedule:
    """The full rate for the first part of the run, then a straight line to zero, as in CycleGAN."""

    def __init__(self, *, max_iter: int, constant: float = 0.5):
        """Set the part of the run with the full rate.

        Args:
            max_iter: number of optimiser steps.
            constant: share of the steps with the full rate, 0 to 1.

        Raises:
            ValueError: `constant` is not a share.
        """
        if not 0 <= constant <= 1:
            raise ValueError(f"constant={constant}: it is a share of the run, 0 to 1")
        self.max_iter, self.first = max_iter, round(constant * max_iter)

    def __call__(self, iteration: int) -> float:
        """Factor of all learning rates at this iteration, counted from 0; zero after the last."""
        left = (self.max_iter - iteration) / max(1, self.max_iter - self.first)
        return max(0.0, min(1.0, left))
