"""The model of an earlier run, loaded when it is first asked; not trained, not saved anew."""

from pathlib import Path

import torch
from torch import nn

from lgrseg.config import instantiate, load_config
from lgrseg.engine.checkpoint import load_weights
from lgrseg.structures import Clip, ClipPrediction


class FrozenRun:
    """Predicts as the last checkpoint of a run does: `FrozenRun(run="output/boxes")(clips)`."""

    def __init__(self, *, run: str):
        """`run` is a run's folder, with config.yaml and checkpoints/; nothing is read yet."""
        self.run = Path(run)
        self._model: nn.Module | None = None

    def __call__(self, clips: list[Clip]) -> list[ClipPrediction]:
        """One prediction a clip.

        Raises:
            FileNotFoundError: there is no such run, or it has no checkpoint.
        """
        with torch.no_grad():
            return self.model.to(clips[0].frames.device)(clips)

    @property
    def model(self) -> nn.Module:
        """The model, in eval mode."""
        if self._model is None:
            config = self.run / "config.yaml"
            if not config.is_file():
                raise FileNotFoundError(
                    f"{self.run} is no run: it has no config.yaml. Train it first, or name another"
                )
            model = instantiate(load_config(config).model)
            load_weights(model, self.run / "checkpoints" / "last.safetensors")
            self._model = model.eval().requires_grad_(False)
        return self._model
