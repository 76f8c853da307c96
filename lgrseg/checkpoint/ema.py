"""The moving average of a model's weights during training."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn


@torch.no_grad()
def move(average: dict[str, Tensor], current: dict[str, Tensor], share: float) -> None:
    """Compute average += share x (current - average) in place; integer tensors are copied."""
    floats = [key for key, value in average.items() if value.is_floating_point()]
    torch._foreach_lerp_([average[key] for key in floats], [current[key] for key in floats], share)
    for key in average.keys() - set(floats):
        average[key].copy_(current[key])


class WeightAverage:
    """Exponential moving average: average = d * average + (1 - d) * weights, after every update.

    d = min(decay, (1 + t) / (10 + t)) at update t = 0, 1, ..., so the initial weights soon lose
    their influence. Integer buffers (such as the counter of a batch norm) are copied.

    torch's `AveragedModel` is not used: its first update replaces the initial weights, its decay is
    constant, and it copies the whole module and changes the names of the weights.
    """

    def __init__(self, model: nn.Module, *, decay: float):
        """`decay` is between 0 and 1. The model's tensors must not be replaced afterwards."""
        self.decay = decay
        # state_dict() takes a millisecond for hundreds of tensors, so it is called only once.
        self._current = model.state_dict()
        self.reset()

    def reset(self) -> None:
        """Start again from the model's present weights."""
        self.num_updates = 0
        self.weights: dict[str, Tensor] = {k: v.clone() for k, v in self._current.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Add the model's present weights to the average."""
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        self.num_updates += 1
        move(self.weights, self._current, 1 - decay)

    @contextlib.contextmanager
    def applied_to(self, model: nn.Module) -> Iterator[None]:
        """Context in which the model has the averaged weights."""
        trained = {key: value.clone() for key, value in model.state_dict().items()}
        model.load_state_dict(self.weights)
        try:
            yield
        finally:
            model.load_state_dict(trained)

    def state_dict(self) -> dict:
        """Return the state to save in a checkpoint."""
        return {"num_updates": self.num_updates, "weights": self.weights}

    def load_state_dict(self, state: dict) -> None:
        """Restore the state from a checkpoint.

        Raises:
            KeyError: a tensor of the model is missing in the checkpoint.
        """
        for key, value in self.weights.items():
            value.copy_(state["weights"][key])
        self.num_updates = state["num_updates"]
