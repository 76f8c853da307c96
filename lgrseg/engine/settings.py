"""The validated `train` part of a config: settings of the training loop."""

import dataclasses
from collections.abc import Mapping
from typing import Any, get_type_hints

from lgrseg.config.setting_types import fitted
from lgrseg.config.suggestions import did_you_mean

LEAST = {"max_iter": 1, "accumulate": 1, "log_period": 1}
"""Smallest values of settings; 0 for the others."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Settings of configs/common/train.py; defaults are used for missing keys.

    Iterations are updates of the weights, counted from 0; periods count iterations.
    """

    output_dir: str = "output/run"
    max_iter: int = 1000
    seed: int = 0
    device: str = "auto"
    """Device: auto (CUDA if available), cpu or cuda."""
    num_threads: int = 0
    """Number of torch's CPU threads; 0 keeps torch's default."""
    amp: bool = False
    """True for autocast to bfloat16."""
    deterministic: bool = False
    """True for bit-identical runs on a GPU too, at some cost; CPU runs always are."""
    recompute_activations: bool = False
    """True to keep only the inputs of blocks and recompute activations in the backward pass: less
    memory, slower, same results."""
    compile: bool = False
    """True to compile backbone and encoder with torch.compile, which takes minutes."""
    accumulate: int = 1
    """Number of batches per process that are accumulated for one update."""
    clip_norm: float | None = None
    """Largest L2 norm of the gradient of the whole model; None does not clip."""
    ema_decay: float = 0.0
    """Decay of the averaged weights; 0 disables averaging."""
    init_weights: str = ""
    """File of weights from which training starts, or "apical_simulated" for those that come with
    lgrseg; "" for random ones."""
    find_unused_parameters: bool = False
    """With several processes: detect parameters without gradient (slower)."""
    log_period: int = 20
    eval_period: int = 0
    """Number of iterations between evaluations; 0 evaluates only at the end."""
    checkpoint_period: int = 0
    """Number of iterations between checkpoints; 0 saves only at the end."""
    keep_checkpoints: int = 0
    """Number of last numbered checkpoints that are kept besides `last` and `best`."""
    export_videos: int = 0
    """Number of videos of every test dataset that are written at the end."""
    example_overlays: int = 0
    """Number of clips of the first test dataset drawn in TensorBoard at every evaluation."""

    def __post_init__(self):
        """Raise an error for invalid values."""
        hints = get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = fitted(getattr(self, field.name), hints[field.name], f"train.{field.name}")
            least = LEAST.get(field.name, 0)
            if hints[field.name] is int and value < least:
                raise ValueError(f"train.{field.name} is {least} or more, not {value}")
            object.__setattr__(self, field.name, value)
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"train.ema_decay is 0 (off) or below 1, not {self.ema_decay}")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"train.clip_norm is above 0, or null for none, not {self.clip_norm}")

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> "TrainSettings":
        """Make settings from the `train` mapping of a config.

        Raises:
            KeyError: a setting of this name does not exist.
            ValueError: a value has the wrong type or is out of range.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        for key in values:
            if key not in names:
                raise KeyError(f"there is no setting train.{key}{did_you_mean(str(key), names)}")
        return cls(**values)
