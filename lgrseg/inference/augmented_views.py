"""Test-time augmentation: one model sees a clip several times, a little changed each time.

The views keep the anatomy as it is: the picture is turned by a few degrees and made a little
smaller, or made brighter or darker. It is never mirrored, since a mirrored heart has its left
chambers on the right, where the model has learnt to see the right ones.
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
    """Angle by which the picture is turned, clockwise as one looks at it."""
    scale: float = 1.0
    """Size of the picture within the frame, 1 or less so that nothing of it is lost."""
    gamma: float = 1.0
    """Exponent of the grey levels (0 to 1): above 1 is darker, below brighter."""

    def change(self, frames: Tensor) -> Tensor:
        """The frames (T, C, H, W), 0 to 1, as this view shows them."""
        if self._moves:
            frames = self._sample(frames, self._matrix(frames), padding="zeros")
        return frames**self.gamma if self.gamma != 1 else frames

    def undo(self, maps: Tensor) -> Tensor:
        """Maps (K, T, h, w) of the changed frames, over the original ones."""
        if not self._moves:
            return maps
        matrix = self._matrix(maps)
        inverse = torch.linalg.inv(torch.cat([matrix, matrix.new_tensor([[0, 0, 1]])]))[:2]
        return self._sample(maps, inverse, padding="border")

    @property
    def _moves(self) -> bool:
        return (self.degrees, self.scale) != (0, 1)

    def _matrix(self, maps: Tensor) -> Tensor:
        """(2, 3): from places in the view to those in the original, both -1 to 1.

        Rows and columns are turned in pixels, so the ratio of the sides comes in.
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
"""The views of `tta=True`: a clip takes five times as long."""


class AveragedViews(ClipModel):
    """A model that predicts the mean over several views of every clip.

    Anything that takes a list of clips and gives a list of ClipPrediction can be `model`.
    """

    def __init__(self, model: ClipModel, views: Sequence[View] = VIEWS):
        """Wrap a model that is in eval mode.

        Args:
            model: sees one view of a clip at a time.
            views: at least one.
        """
        super().__init__()
        self.model, self.views = model, tuple(views)

    def forward(self, clips: list[Clip]) -> list[ClipPrediction]:
        """One prediction a clip; its maps have the size of the clip's frames."""
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
