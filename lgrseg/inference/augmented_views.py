"""Test-time augmentation: the mean prediction of one model for several views of a clip.

A view is the clip rotated by a few degrees and made a little smaller, or made brighter or darker.
Views are never mirrored, because a mirrored heart has its left chambers where the model has learnt
to find the right ones.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from lgrseg.inference.averaging import average_predictions
from lgrseg.modeling.contracts import ClipModel
from lgrseg.structures import Clip, ClipPrediction


@dataclass(frozen=True)
class View:
    """How a clip is changed before the model sees it."""

    degrees: float = 0.0
    """Angle of the rotation, clockwise for the viewer."""
    scale: float = 1.0
    """Size of the picture relative to the frame; at most 1, so that no part is cut off."""
    gamma: float = 1.0
    """Exponent of the grey levels (0 to 1); above 1 makes the picture darker."""

    def change(self, frames: Tensor) -> Tensor:
        """Make the view of frames (T, C, H, W), 0 to 1."""
        if self._moves:
            frames = self._sample(frames, self._matrix(frames), padding="zeros")
        return frames**self.gamma if self.gamma != 1 else frames

    def undo(self, maps: Tensor) -> Tensor:
        """Move maps (K, T, h, w) of the view back to their places in the original frames."""
        if not self._moves:
            return maps
        matrix = self._matrix(maps)
        inverse = torch.linalg.inv(torch.cat([matrix, matrix.new_tensor([[0, 0, 1]])]))[:2]
        return self._sample(maps, inverse, padding="border")

    @property
    def _moves(self) -> bool:
        return (self.degrees, self.scale) != (0, 1)

    def _matrix(self, maps: Tensor) -> Tensor:
        """(2, 3) matrix from places in the view to places in the original, both -1 to 1.

        The rotation is in pixels, so the matrix depends on the ratio of height and width.
        """
        height, width = maps.shape[-2:]
        cos, sin = math.cos(math.radians(self.degrees)), math.sin(math.radians(self.degrees))
        rows = [[cos, sin * height / width, 0], [-sin * width / height, cos, 0]]
        return torch.tensor(rows, device=maps.device, dtype=torch.float64) / self.scale

    @staticmethod
    def _sample(maps: Tensor, matrix: Tensor, *, padding: str) -> Tensor:
        matrix = matrix.to(maps).expand(len(maps), 2, 3)
        grid = F.affine_grid(matrix, list(maps.shape), align_corners=False)
        return F.grid_sample(maps, grid, padding_mode=padding, align_corners=False)


VIEWS = (
    View(),
    View(degrees=5, scale=0.9),
    View(degrees=-5, scale=0.9),
    View(gamma=0.8),
    View(gamma=1.25),
)
"""The views of `tta=True`; a prediction takes five times as long."""


class AveragedViews(ClipModel):
    """A model that predicts the mean over several views of every clip."""

    def __init__(self, model: ClipModel, views: Sequence[View] = VIEWS):
        """Wrap a model that is in eval mode.

        Args:
            model: model that gives a list of ClipPrediction.
            views: views of a clip, at least one.
        """
        super().__init__()
        self.model, self.views = model, tuple(views)

    def forward(self, clips: list[Clip]) -> list[ClipPrediction]:
        """Predict every clip; the maps have the size of the clip's frames."""
        return [self._predict(clip) for clip in clips]

    def _predict(self, clip: Clip) -> ClipPrediction:
        size = tuple(clip.frames.shape[-2:])
        predictions = []
        for view in self.views:
            (found,) = self.model([replace(clip, frames=view.change(clip.frames))])
            maps = F.interpolate(
                found.mask_logits.float(), size, mode="bilinear", align_corners=False
            )
            predictions.append(replace(found, mask_logits=view.undo(maps)))
        return average_predictions(predictions)
