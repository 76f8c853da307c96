"""Feature maps of a backbone as pictures: principal components, similarity to one point.

The pictures follow Oquab et al., "DINOv2", arXiv 2304.07193, figure 1 and section 7.5: a first
principal component separates the foreground, and three components of the foreground become red,
green and blue. Here all frames of a clip share one basis and one scale, so that a colour means the
same in every frame.

Letters: T frames, H W pixels of a frame, h w places of a map, C channels, N map positions, P
components.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from lgrseg.data.mappers.clips import resize_frames, to_tensor
from lgrseg.modeling.contracts import ClipModel, StridedBackbone
from lgrseg.modeling.foundation import FoundationBackbone

MAX_PLACES = 65536
"""Largest number of map positions for a basis: with 1024 channels they take 256 MiB."""
LEAST_PLACES = 8
"""With fewer positions, three components would describe only these positions."""


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
            size: longer side of the input in pixels; the shorter side keeps the aspect ratio, and
                both are multiples of the patch size.
            stride: stride of the map in pixels; None takes the stride nearest to 16. If several
                maps have this stride, the last one is taken.
            pixel_mean: mean of each RGB channel (0 to 1), which is subtracted.
            pixel_std: standard deviation of each RGB channel, by which it is divided.

        Raises:
            ValueError: no map has this stride, or `size` is below the coarsest stride.
        """
        named = isinstance(backbone.strides, dict)
        strides = [*backbone.strides.values()] if named else list(backbone.strides)
        chosen_stride = (
            min(strides, key=lambda other: abs(other - 16)) if stride is None else stride
        )
        if chosen_stride not in strides:
            raise ValueError(
                f"no map has stride {stride}; this backbone has {sorted(set(strides))}"
            )
        self.backbone = backbone.eval()
        self._index = max(i for i, other in enumerate(strides) if other == chosen_stride)
        self._names = [*backbone.strides] if named else None
        self.stride = chosen_stride
        # Backbones of the project need the sizes to which their models pad.
        self.divisor = max(32, *strides) if named else max(strides)
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
        return tuple(
            max(1, round(side * scale / self.divisor)) * self.divisor for side in frame_size
        )

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
        """Yield (index, frame, map (h, w, C)) of every frame; holds one batch in memory."""
        for start in range(0, len(frames), batch_size):
            batch = frames[start : start + batch_size]
            yield from zip(range(start, start + len(batch)), batch, self(batch), strict=True)


@dataclass(frozen=True)
class PrincipalComponents:
    """Directions of largest variance."""

    mean: np.ndarray
    """(C,) mean of the features."""
    directions: np.ndarray
    """(P, C) orthonormal; the entry of largest magnitude is positive, which fixes the sign."""
    explained: np.ndarray
    """(P,) share of the total variance of each direction, the largest first."""

    def project(self, features: np.ndarray) -> np.ndarray:
        """Project features (..., C) on the directions: (..., P)."""
        return (features - self.mean) @ self.directions.T


def principal_components(features: np.ndarray, count: int) -> PrincipalComponents:
    """Compute a PCA by the eigenvectors of the covariance, which is summed in float64.

    Args:
        features: (N, C) features.
        count: number P of components.

    Raises:
        ValueError: features are not finite, are all equal, or have fewer than P channels.
    """
    channels = features.shape[1]
    if count > channels:
        raise ValueError(
            f"a map of {channels} channels has at most {channels} components, not {count}"
        )
    mean = features.mean(axis=0, dtype=np.float64)
    if not np.isfinite(mean).all():
        raise ValueError("the features have numbers that are not finite; check the weights")
    covariance = np.zeros((channels, channels))
    for start in range(0, len(features), 4096):
        centred = features[start : start + 4096] - mean
        covariance += centred.T @ centred
    total, size = covariance.trace(), len(features) * np.square(mean).sum()
    if total <= 1e-10 * (total + size):  # what rounding in float32 leaves
        raise ValueError(
            "the features are the same everywhere, so there is nothing to show; check that the "
            "clip is not uniform"
        )
    values, vectors = np.linalg.eigh(covariance)
    directions = vectors.T[::-1][:count]
    largest = np.abs(directions).argmax(axis=1)
    signs = np.sign(directions[np.arange(count), largest])
    return PrincipalComponents(
        mean.astype(np.float32),
        (directions * signs[:, None]).astype(np.float32),
        values[::-1][:count].clip(min=0) / total,
    )


@dataclass(frozen=True)
class ColourBasis:
    """Transformation from the features of one clip to colours."""

    first: PrincipalComponents
    """First component of all positions; positive in the foreground."""
    threshold: float | None
    """Value of the first component above which is foreground; None: everything is foreground."""
    colours: PrincipalComponents
    """Three components of the foreground."""
    low: np.ndarray
    """(3,) 1st percentile of the colour components in the foreground, drawn as 0."""
    high: np.ndarray
    """(3,) 99th percentile of the colour components in the foreground, drawn as 255."""
    foreground: float
    """Share of the positions that are foreground, 0 to 1."""

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Project features (..., C) on the first component and the three colours: (..., 4)."""
        parts = [self.first.project(features), self.colours.project(features)]
        return np.concatenate(parts, axis=-1)

    def paint(self, scores: np.ndarray) -> np.ndarray:
        """Turn scores (..., 4), at any resolution, into RGB uint8; the background is black."""
        span = np.maximum(self.high - self.low, 1e-12)
        colours = np.clip((scores[..., 1:] - self.low) / span, 0, 1)
        if self.threshold is not None:
            colours = colours * (scores[..., :1] > self.threshold)
        return (255 * colours).round().astype(np.uint8)


def colour_basis(maps: np.ndarray, *, threshold: float | None = 0.0) -> ColourBasis:
    """Compute the basis of a clip from the maps of some of its frames.

    The sign of the first component is arbitrary. The foreground is taken as the side opposite to
    the mean of the map's border.

    Args:
        maps: (t, h, w, C) feature maps.
        threshold: value of the first component (mean 0) above which is foreground; None draws
            everything.

    Raises:
        ValueError: all features are equal, or the foreground is too small.
    """
    places = maps.reshape(-1, maps.shape[-1])
    first = principal_components(places, 1)
    score = first.project(maps)[..., 0]
    inner = np.zeros(score.shape[1:], bool)
    inner[1:-1, 1:-1] = True
    if score[:, ~inner].mean() > 0:
        first = PrincipalComponents(first.mean, -first.directions, first.explained)
        score = -score
    chosen = places if threshold is None else places[score.ravel() > threshold]
    if len(chosen) < LEAST_PLACES:
        raise ValueError(
            f"{len(chosen)} of {len(places)} positions are foreground (first component above "
            f"{threshold}), too few for three colours: lower the threshold, or draw everything"
        )
    colours = principal_components(chosen, 3)
    low, high = np.percentile(colours.project(chosen), [1, 99], axis=0)
    return ColourBasis(first, threshold, colours, low, high, len(chosen) / len(places))


def place_of(
    point: tuple[float, float],
    box: tuple[int, int, int, int],
    grid: tuple[int, int],
) -> tuple[int, int]:
    """The (row, column) of the map in which a pixel lies.

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
    """The encoder of a run's model, or its backbone where that is no encoder with a neck.

    Raises:
        ValueError: the model has no backbone.
    """
    parts = dict(model.deployed().named_children())
    backbone = parts.get("backbone")
    if isinstance(backbone, FoundationBackbone):
        backbone = backbone.encoder
    if not isinstance(backbone, StridedBackbone):
        raise ValueError(f"a {type(model).__name__} has no backbone whose maps could be drawn")
    return backbone
