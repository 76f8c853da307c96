"""The model of an earlier run as a part of another model; it is neither trained nor saved."""

import functools
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from omegaconf import DictConfig
from torch import Tensor

from lgrseg.config import load_config
from lgrseg.data.catalog import MetadataCatalog
from lgrseg.inference.run_files import run_files
from lgrseg.inference.windows import window_of, windows
from lgrseg.modeling.building import build_model
from lgrseg.modeling.contracts import ClipModel
from lgrseg.structures import Clip, ClipPrediction


class FrozenRun:
    """Predicts with the model of a finished run: `FrozenRun(run="output/boxes")(clips)`.

    As in `Predictor`, the weights are those of the run's best checkpoint, or of its last one if
    there is no best (`run_files`). They are loaded at the first use.

    Frames are resized to the size of the run's test clips, and longer clips are cut into windows
    of their length, because the model was trained on hearts of this size.
    """

    def __init__(self, *, run: str):
        """`run` is the folder of a run, with config.yaml and checkpoints/; nothing is read yet."""
        self.run = Path(run)

    def __call__(self, clips: list[Clip]) -> list[ClipPrediction]:
        """Predict every clip.

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
        predictions, positions = [], []
        for window in windows(len(frames), **self.window):
            part = window.indices
            (prediction,) = model(
                [replace(clip, frames=frames[part], frame_indices=clip.frame_indices[part])]
            )
            predictions.append(prediction)
            positions.append([part.index(frame) for frame in window.kept])

        def joined(maps: list[Tensor]) -> Tensor:
            """(K, T, ...) of all frames from (K, t, ...) of every window."""
            used = zip(maps, positions, strict=True)
            return torch.cat([of_window[:, kept] for of_window, kept in used], dim=1)

        boxes = [p.boxes for p in predictions if p.boxes is not None]
        box_scores = [p.box_scores for p in predictions if p.box_scores is not None]
        return ClipPrediction(
            mask_logits=joined([p.mask_logits for p in predictions]),
            class_probs=torch.stack([p.class_probs for p in predictions]).amax(dim=0),
            present=torch.stack([p.present for p in predictions]).any(dim=0),
            boxes=joined(boxes) if boxes else None,
            box_scores=joined(box_scores) if box_scores else None,
        )

    @property
    def window(self) -> dict[str, int]:
        """`num_frames` and `num_far` of the clips that the run was tested with."""
        return window_of(self._mapper)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that it predicts."""
        return MetadataCatalog.get(next(iter(self.config.dataloader.test))).classes

    @property
    def _mapper(self) -> DictConfig:
        return next(iter(self.config.dataloader.test.values())).mapper

    @functools.cached_property
    def config(self) -> DictConfig:
        """Config of the run.

        Raises:
            FileNotFoundError: there is no such run, or it has no checkpoint.
        """
        config, _ = run_files(self.run)
        return load_config(config)

    @functools.cached_property
    def model(self) -> ClipModel:
        """The model, in evaluation mode and without gradients."""
        _, weights = run_files(self.run)
        model = build_model(self.config, weights=weights, device="cpu")
        return model.eval().requires_grad_(False)
