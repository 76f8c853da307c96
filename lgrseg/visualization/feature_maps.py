"""Feature maps of a backbone for the frames of a clip, and their similarity to one point.

Letters: T frames, H W pixels of a frame, h w size of a map, C channels.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import nn

from lgrseg.data.mappers.clips import resize_frames, to_tensor
from lgrseg.modeling.contracts import ClipModel, StridedBackbone
from lgrseg.modeling.foundation import FoundationBackbone

MAX_PLACES = 65536
"""Largest number of map positions for a basis: with 1024 channels they take 256 MiB."""


class DenseFeatures:
    """Computes one feature map of a backbone, for frames of one size."""

    def __init__(
        self,
        *,
        backbone: nn.Module,
        size: int = 448,
        stride: int | None = None,
        pixel_mean: Sequence[float] = (0.485, 0.456, 0.406),
        pixel_std: Sequence[float] = (0.229, 0.224, 0.225),
    ):
        """Set the backbone to evaluation mode and choose a map.

        Args:
            backbone: an encoder of `lgrseg.modeling.foundation`, or a backbone of the project.
            size: longer side of the input in pixels; the aspect ratio is preserved, and
                both sides are rounded to multiples of the patch size.
            stride: stride of the map in pixels; None chooses the stride nearest to 16. If several
                maps have this stride, the last one is used.
            pixel_mean: mean of each RGB channel (0 to 1), which is subtracted.
            pixel_std: standard deviation of each RGB channel, by which it is divided.

        Raises:
            ValueError: no map has this stride, or `size` is below the coarsest stride.
        """
        # Encoders have a list of maps, backbones of this project have maps by name.
        all_strides = cast(Mapping[str, int] | Sequence[int], backbone.strides)
        self._names = list(all_strides) if isinstance(all_strides, Mapping) else None
        strides = list(all_strides.values() if isinstance(all_strides, Mapping) else all_strides)
        chosen_stride = (
            min(strides, key=lambda other: abs(other - 16)) if stride is None else stride
        )
        if chosen_stride not in strides:
            raise ValueError(
                f"no map has stride {stride}; this backbone has {sorted(set(strides))}"
            )
        self.backbone = backbone.eval()
        self._index = max(i for i, other in enumerate(strides) if other == chosen_stride)
        self.stride = chosen_stride
        # Backbones of this project need input sizes that are multiples of 32, as padded by models.
        self.divisor = max(strides) if self._names is None else max(32, *strides)
        if size < self.divisor:
            raise ValueError(f"size={size} is less than one patch of {self.divisor} px")
        self.size = size
        self.mean, self.std = (
            torch.as_tensor(values, dtype=torch.float32).reshape(3, 1, 1)
            for values in (pixel_mean, pixel_std)
        )

    def input_size(self, frame_size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) to which frames of `frame_size` are resized."""
        scale = self.size / max(frame_size)
        height, width = (
            max(1, round(side * scale / self.divisor)) * self.divisor for side in frame_size
        )
        return height, width

    @torch.inference_mode()
    def __call__(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        """Compute maps (T, h, w, C) float32 of frames (H, W) or (H, W, 3) uint8 of one size."""
        device = next(self.backbone.parameters()).device
        images = to_tensor(resize_frames(frames, self.input_size(frames[0].shape[:2])))
        images = (images.expand(-1, 3, -1, -1) - self.mean) / self.std
        maps = self.backbone(images.to(device))
        chosen = maps[self._names[self._index]] if self._names else maps[self._index]
        return chosen.float().permute(0, 2, 3, 1).cpu().numpy()

    def sample(self, frames: Sequence[np.ndarray], count: int) -> np.ndarray:
        """Compute maps (t, h, w, C) of at most `count` evenly spread frames, in bounded memory."""
        first = self([frames[0]])
        most = max(1, min(count, MAX_PLACES // (first.shape[1] * first.shape[2])))
        picked = np.unique(np.linspace(0, len(frames) - 1, min(most, len(frames))).round())
        return np.concatenate([self([frames[int(index)]]) for index in picked])

    def stream(
        self, frames: Sequence[np.ndarray], batch_size: int = 4
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yield (index, frame, map (h, w, C)) of every frame, with one batch in memory."""
        for start in range(0, len(frames), batch_size):
            batch = frames[start : start + batch_size]
            yield from zip(range(start, start + len(batch)), batch, self(batch), strict=True)


def place_of(
    point: tuple[float, float],
    box: tuple[int, int, int, int],
    grid: tuple[int, int],
) -> tuple[int, int]:
    """The (row, column) of the map position that contains a pixel.

    Args:
        point: (x, y) in pixels of the original frame; whole numbers are the centres of pixels.
        box: (top, left, bottom, right) of the part of the frame that the map covers, in pixels.
        grid: (h, w) of the map.

    Raises:
        ValueError: the point is outside the box.
    """
    (x, y), (top, left, bottom, right) = point, box
    if not (left <= x < right and top <= y < bottom):
        raise ValueError(
            f"the point ({x:g}, {y:g}) is outside the visible area: x from {left} to {right - 1}, "
            f"y from {top} to {bottom - 1} (the fan; --no-crop uses whole frames)"
        )
    row = int((y + 0.5 - top) / (bottom - top) * grid[0])
    column = int((x + 0.5 - left) / (right - left) * grid[1])
    return min(row, grid[0] - 1), min(column, grid[1] - 1)


def cosine_similarity(features: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Cosine similarity of features (..., C) to one (C,), -1 to 1; 0 for a zero feature."""
    lengths = np.linalg.norm(features, axis=-1) * np.linalg.norm(reference)
    return np.clip(features @ reference / np.maximum(lengths, 1e-12), -1, 1)


def backbone_of(model: ClipModel) -> nn.Module:
    """The backbone of a model, without the neck if it is a FoundationBackbone.

    Raises:
        ValueError: the model has no backbone.
    """
    parts = dict(model.deployed().named_children())
    backbone = parts.get("backbone")
    if isinstance(backbone, FoundationBackbone):
        backbone = backbone.encoder
    if not isinstance(backbone, StridedBackbone):
        raise ValueError(f"a {type(model).__name__} has no backbone with maps that can be drawn")
    return backbone
