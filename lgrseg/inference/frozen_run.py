"""The model of an earlier run, loaded when it is first asked; not trained, not saved anew."""

import functools
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from omegaconf import DictConfig
from torch import Tensor, nn

from lgrseg.checkpoint.loading import load_weights
from lgrseg.config import instantiate, load_config, without_weights
from lgrseg.data.catalog import MetadataCatalog
from lgrseg.inference.windows import window_of, windows
from lgrseg.structures import Clip, ClipPrediction


class FrozenRun:
    """Predicts as the last checkpoint of a run does: `FrozenRun(run="output/boxes")(clips)`.

    Frames are brought to the size of the run's test clips, and longer clips are cut into windows
    of their length: a model that sees hearts twice as large gives boxes twice as tall.
    """

    def __init__(self, *, run: str):
        """`run` is a run's folder, with config.yaml and checkpoints/; nothing is read yet."""
        self.run = Path(run)

    def __call__(self, clips: list[Clip]) -> list[ClipPrediction]:
        """One prediction a clip.

        Raises:
            FileNotFoundError: there is no such run, or it has no checkpoint.
        """
        with torch.no_grad():
            return [self._predict(clip) for clip in clips]

    def _predict(self, clip: Clip) -> ClipPrediction:
        model, size = self.model.to(clip.frames.device), tuple(self._mapper.input_size)
        frames = F.interpolate(
            clip.frames, size, mode="bilinear", antialias=True, align_corners=False
        )
        found = []
        for window in windows(len(frames), **self.window):
            part = window.indices
            (one,) = model(
                [replace(clip, frames=frames[part], frame_indices=clip.frame_indices[part])]
            )
            found.append((one, [part.index(frame) for frame in window.kept]))
        return ClipPrediction(
            mask_logits=_in_order([(one.mask_logits, kept) for one, kept in found]),
            class_probs=torch.stack([one.class_probs for one, _ in found]).amax(dim=0),
            present=torch.stack([one.present for one, _ in found]).any(dim=0),
            boxes=_in_order([(one.boxes, kept) for one, kept in found]),
            box_scores=_in_order([(one.box_scores, kept) for one, kept in found]),
        )

    @property
    def window(self) -> dict[str, int]:
        """`num_frames` and `num_far` of the clips that the run was tested with."""
        return window_of(self._mapper)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the structures that it knows."""
        return MetadataCatalog.get(next(iter(self.config.dataloader.test))).classes

    @property
    def _mapper(self) -> DictConfig:
        return next(iter(self.config.dataloader.test.values())).mapper

    @functools.cached_property
    def config(self) -> DictConfig:
        """Of the run.

        Raises:
            FileNotFoundError: there is no such run.
        """
        config = self.run / "config.yaml"
        if not config.is_file():
            raise FileNotFoundError(
                f"{self.run} is no run: it has no config.yaml. Train it first, or name another"
            )
        return load_config(config)

    @functools.cached_property
    def model(self) -> nn.Module:
        """The model, in eval mode."""
        model = instantiate(without_weights(self.config.model))
        load_weights(model, self.run / "checkpoints" / "last.safetensors")
        return model.eval().requires_grad_(False)


def _in_order(parts: list[tuple[Tensor | None, list[int]]]) -> Tensor | None:
    """What windows say of their frames that are kept, (K, T, ...); None of a model without it."""
    if parts[0][0] is None:
        return None
    return torch.cat([of_window[:, kept] for of_window, kept in parts], dim=1)
