"""Checks that settings and weights are finite, before a run starts and before it is saved."""

import math
from collections.abc import Mapping

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from lgrseg.engine.guard import NonFiniteError


def check_settings(cfg: DictConfig) -> None:
    """Raise an error if a setting is infinite or NaN.

    Args:
        cfg: config of a run; its parts `train`, `optimizer` and `schedule` are checked.

    Raises:
        ValueError: a number is not finite.
    """
    for part in ("train", "optimizer", "schedule"):
        _check(OmegaConf.to_container(cfg[part], resolve=True) if part in cfg else None, part)


def _check(node, key: str) -> None:
    if isinstance(node, dict):
        for name, item in node.items():
            _check(item, f"{key}.{name}")
    elif isinstance(node, list):
        for number, item in enumerate(node):
            _check(item, f"{key}.{number}")
    elif isinstance(node, float) and not math.isfinite(node):
        raise ValueError(
            f"{key} is a finite number, not {node}; settings that can be off take null"
        )


def names_not_finite(model: nn.Module, weights: Mapping[str, Tensor] | None = None) -> list[str]:
    """Names of weights that are NaN, or trained weights that are infinite.

    Infinite buffers are allowed, for example for masks.

    Args:
        model: model with the information which parameters are trained.
        weights: weights by the model's names; by default those of the model.
    """
    weights = model.state_dict() if weights is None else weights
    trained = {name for name, _ in model.named_parameters()}
    floats = {name: value for name, value in weights.items() if value.is_floating_point()}
    if not floats:
        return []
    bad = [
        ~torch.isfinite(value).all() if name in trained else torch.isnan(value).any()
        for name, value in floats.items()
    ]
    return [name for name, is_bad in zip(floats, torch.stack(bad).tolist(), strict=True) if is_bad]


def check_weights(model: nn.Module, averaged: Mapping[str, Tensor], iteration: int) -> None:
    """Raise an error if weights are not finite, before they are saved.

    Args:
        model: model that is trained.
        averaged: averaged weights, or again those of the model.
        iteration: number of finished steps, for the message.

    Raises:
        NonFiniteError: a weight is not finite.
    """
    if bad := names_not_finite(model) or names_not_finite(model, averaged):
        raise NonFiniteError(
            f"not finite after iteration {iteration}: {len(bad)} weights, the first is {bad[0]}. "
            "Nothing was written, and every checkpoint is from before; a lower optimizer.lr, a "
            "longer warm-up or train.clip_norm often helps"
        )
