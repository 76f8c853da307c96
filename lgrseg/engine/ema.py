"""The average of a model's weights over training."""

import torch
from torch import nn


class WeightAverage:
    """Exponential moving average: average = d * average + (1 - d) * weights, after every step.

    d = min(decay, (1 + t) / (10 + t)) at update t, so that the start is soon forgotten.
    """

    def __init__(self, model: nn.Module, *, decay: float):
        """`decay` between 0 and 1."""
        self.decay = decay
        self.num_updates = 0
        self.weights = {key: value.detach().clone() for key, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take the model's weights in."""
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        self.num_updates += 1
        floats, current = [], []
        for key, value in model.state_dict().items():
            if value.is_floating_point():
                floats.append(self.weights[key])
                current.append(value)
            else:
                self.weights[key].copy_(value)
        torch._foreach_lerp_(floats, current, 1 - decay)

    def state_dict(self) -> dict:
        """For a checkpoint."""
        return {"num_updates": self.num_updates, "weights": self.weights}

    def load_state_dict(self, state: dict) -> None:
        """From a checkpoint."""
        self.num_updates = state["num_updates"]
        for key, value in state["weights"].items():
            self.weights[key].copy_(value)
