"""The `train` part of a config, checked: what the loop is told that no component is."""

import dataclasses
from collections.abc import Mapping
from typing import Any, get_type_hints

from lgrseg.config.setting_types import fitted
from lgrseg.config.suggestions import did_you_mean

LEAST = {"max_iter": 1, "accumulate": 1, "log_period": 1}
"""The smallest number of a setting that counts; 0 for the others."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """What configs/common/train.py describes; the defaults are for configs that leave a key out.

    Iterations are updates of the weights, counted from 0; periods count iterations.
    """

    output_dir: str = "output/run"
    max_iter: int = 1000
    seed: int = 0
    device: str = "auto"
    """auto (CUDA where there is one), cpu or cuda."""
    num_threads: int = 0
    """Of torch on the CPU; 0 leaves torch's own choice."""
    amp: bool = False
    """Autocast to bfloat16."""
    deterministic: bool = False
    """The same bits in every run on a GPU too, at some cost; on a CPU they are anyway."""
    recompute_activations: bool = False
    """Keep the inputs of blocks only, and compute the rest again in the backward pass: less memory,
    a slower step, the same numbers."""
    compile: bool = False
    """Compile backbone and encoder with torch.compile: minutes at the start."""
    accumulate: int = 1
    """Batches a process adds up for one update."""
    clip_norm: float | None = None
    """Largest L2 norm of the gradient of the whole model; None does not clip."""
    ema_decay: float = 0.0
    """Of the averaged weights; 0 keeps none."""
    init_weights: str = ""
    find_unused_parameters: bool = False
    """With several processes: look for parameters that got no gradient (slower)."""
    log_period: int = 20
    eval_period: int = 0
    """0 evaluates at the end only."""
    checkpoint_period: int = 0
    """0 saves at the end only."""
    keep_checkpoints: int = 0
    """Numbered checkpoints that are kept, the last ones; beside `last` and `best`."""
    export_videos: int = 0
    """Videos of every test dataset that are written at the end."""
    example_overlays: int = 0
    """Clips of the first test dataset that are drawn into TensorBoard at every evaluation."""

    def __post_init__(self):
        """Refuse what cannot be meant."""
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
        """From the config's plain `train` mapping.

        Raises:
            KeyError: a setting that has no effect because nothing has that name.
            ValueError: a value of another kind, or out of range.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for key in values:
            if key not in known:
                raise KeyError(f"there is no setting train.{key}{did_you_mean(str(key), known)}")
        return cls(**values)
