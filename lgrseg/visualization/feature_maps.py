"""What a backbone makes of a clip, place by place: principal components, likeness to a point.

As in the pictures of Oquab et al., "DINOv2", arXiv 2304.07193, figure 1 and section 7.5: a first
principal component separates the foreground, and three components of the foreground alone become
red, green and blue. Here one basis and one scale serve the whole clip, so that a colour means the
same in all its frames.

Letters: T frames, H W pixels of a frame, h w places of a map, C channels, N places, P components.
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
"""Places that a basis is computed from: with 1024 channels they take 256 MiB."""
LEAST_PLACES = 8
"""Below that, three components would describe nothing but these places."""


class DenseFeatures:
    """One map of a backbone, for frames of one size."""

    def __init__(
        self,
        *,
        backbone: nn.Module,
        size: int = 448,
        stride: int | None = None,
        pixel_mean: Sequence[float] = (0.485, 0.456, 0.406),
        pixel_std: Sequence[float] = (0.229, 0.224, 0.225),
    ):
        """The backbone is put into eval mode.

        Args:
            backbone: an encoder of `lgrseg.modeling.foundation`, or a backbone of the project.
            size: longer side of its input in pixels; the shorter follows, both in whole patches.
            stride: of the map; None for the one nearest to 16, the last of several.
            pixel_mean: of RGB, 0 to 1, taken off each channel.
            pixel_std: that each is divided by.

        Raises:
            ValueError: no map has this stride, or `size` is below the coarsest stride.
        """
        named = isinstance(backbone.strides, dict)
        strides = [*backbone.strides.values()] if named else list(backbone.strides)
        wanted = min(strides, key=lambda own: abs(own - 16)) if stride is None else stride
        if wanted not in strides:
            raise ValueError(
                f"no map has stride {stride}; this backbone has {sorted(set(strides))}"
            )
        self.backbone = backbone.eval()
        self._index = max(i for i, own in enumerate(strides) if own == wanted)
        self._names = [*backbone.strides] if named else None
        self.stride = wanted
        # The project's own backbones want what their models pad to.
        self.divisor = max(32, *strides) if named else max(strides)
        if size < self.divisor:
            raise ValueError(f"size={size} is less than one patch of {self.divisor} px")
        self.size = size
        self.mean, self.std = (
            torch.as_tensor(values, dtype=torch.float32).reshape(3, 1, 1)
            for values in (pixel_mean, pixel_std)
        )

    def input_size(self, frame_size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) that frames of `frame_size` are resized to."""
        scale = self.size / max(frame_size)
        return tuple(
            max(1, round(side * scale / self.divisor)) * self.divisor for side in frame_size
        )

    @torch.inference_mode()
    def __call__(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        """Frames (H, W) or (H, W, 3) uint8 of one size -> (T, h, w, C) float32."""
        device = next(self.backbone.parameters()).device
        images = to_tensor(resize_frames(frames, self.input_size(frames[0].shape[:2])))
        images = (images.expand(-1, 3, -1, -1) - self.mean) / self.std
        maps = self.backbone(images.to(device))
        chosen = maps[self._names[self._index]] if self._names else maps[self._index]
        return chosen.float().permute(0, 2, 3, 1).cpu().numpy()

    def sample(self, frames: Sequence[np.ndarray], count: int) -> np.ndarray:
        """Maps of at most `count` frames, evenly over a clip: (t, h, w, C), in bounded memory."""
        first = self([frames[0]])
        most = max(1, min(count, MAX_PLACES // (first.shape[1] * first.shape[2])))
        picked = np.unique(np.linspace(0, len(frames) - 1, min(most, len(frames))).round())
        return np.concatenate([self([frames[int(index)]]) for index in picked])

    def stream(
        self, frames: Sequence[np.ndarray], batch_size: int = 4
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """(index, frame, (h, w, C)) of every frame, in order; a batch is held at a time."""
        for start in range(0, len(frames), batch_size):
            batch = frames[start : start + batch_size]
            yield from zip(range(start, start + len(batch)), batch, self(batch), strict=True)


@dataclass(frozen=True)
class PrincipalComponents:
    """Directions of largest variance."""

    mean: np.ndarray
    """(C,)"""
    directions: np.ndarray
    """(P, C), orthonormal. The entry of largest size is positive, so that signs are no accident."""
    explained: np.ndarray
    """(P,), each direction's share of the whole variance, the largest first."""

    def project(self, features: np.ndarray) -> np.ndarray:
        """(..., C) -> (..., P)."""
        return (features - self.mean) @ self.directions.T


def principal_components(features: np.ndarray, count: int) -> PrincipalComponents:
    """PCA by the eigenvectors of the covariance, summed up in float64.

    Args:
        features: (N, C).
        count: P.

    Raises:
        ValueError: features are not finite, or all alike, or have fewer than P channels.
    """
    channels = features.shape[1]
    if count > channels:
        raise ValueError(f"a map of {channels} channels has no {count} components")
    mean = features.mean(axis=0, dtype=np.float64)
    if not np.isfinite(mean).all():
        raise ValueError("the features hold numbers that are not finite: are the weights whole?")
    covariance = np.zeros((channels, channels))
    for start in range(0, len(features), 4096):
        centred = features[start : start + 4096] - mean
        covariance += centred.T @ centred
    total, size = covariance.trace(), len(features) * np.square(mean).sum()
    if total <= 1e-10 * (total + size):  # what rounding in float32 leaves
        raise ValueError(
            "the features are the same everywhere, so there is nothing to show: is the clip one "
            "even picture?"
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
    """How the features of one clip become colours."""

    first: PrincipalComponents
    """One component of all places; positive in the foreground."""
    threshold: float | None
    """Of the first component, above which is foreground; None: everything is."""
    colours: PrincipalComponents
    """Three components of the foreground."""
    low: np.ndarray
    """(3,): their 1st percentile in the foreground, which is drawn as 0."""
    high: np.ndarray
    """(3,): their 99th, which is drawn as 255."""
    foreground: float
    """Share of the places that are foreground."""

    def scores(self, features: np.ndarray) -> np.ndarray:
        """(..., C) -> (..., 4): the first component, and those of the three colours."""
        parts = [self.first.project(features), self.colours.project(features)]
        return np.concatenate(parts, axis=-1)

    def paint(self, scores: np.ndarray) -> np.ndarray:
        """(..., 4) as `scores` gives them, at any resolution -> RGB uint8, background black."""
        span = np.maximum(self.high - self.low, 1e-12)
        colours = np.clip((scores[..., 1:] - self.low) / span, 0, 1)
        if self.threshold is not None:
            colours = colours * (scores[..., :1] > self.threshold)
        return (255 * colours).round().astype(np.uint8)


def colour_basis(maps: np.ndarray, *, threshold: float | None = 0.0) -> ColourBasis:
    """The basis of a clip, from the maps of some of its frames.

    Which end of the first component is the foreground, the component does not say: here it is the
    end that the border of the map, on the mean, is not at.

    Args:
        maps: (t, h, w, C).
        threshold: of the first component, whose mean over all places is 0; None draws everything.

    Raises:
        ValueError: the features do not differ, or there is next to no foreground.
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
            f"{len(chosen)} of {len(places)} places are foreground (first component above "
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
    """(row, column) of the map's place in which a pixel lies.

    Args:
        point: (x, y) in pixels of the original frame; whole numbers are the centres of pixels.
        box: (top, left, bottom, right), what of the frame the map covers.
        grid: (h, w) of the map.

    Raises:
        ValueError: the point is outside the box.
    """
    (x, y), (top, left, bottom, right) = point, box
    if not (left <= x < right and top <= y < bottom):
        raise ValueError(
            f"the point ({x:g}, {y:g}) is outside what is looked at: x from {left} to {right - 1}, "
            f"y from {top} to {bottom - 1} (the fan; --no-crop looks at whole frames)"
        )
    row = int((y + 0.5 - top) / (bottom - top) * grid[0])
    column = int((x + 0.5 - left) / (right - left) * grid[1])
    return min(row, grid[0] - 1), min(column, grid[1] - 1)


def cosine_similarity(features: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Features (..., C) against one (C,): -1 to 1, (...,); 0 where a feature is zero."""
    lengths = np.linalg.norm(features, axis=-1) * np.linalg.norm(reference)
    return np.clip(features @ reference / np.maximum(lengths, 1e-12), -1, 1)


def backbone_of(model: ClipModel) -> nn.Module:
    """The encoder of a run's model, or its backbone where that is no encoder with a neck.

    Raises:
        ValueError: the model has none.
    """
    parts = dict(model.deployed().named_children())
    backbone = parts.get("backbone")
    if isinstance(backbone, FoundationBackbone):
        backbone = backbone.encoder
    if not isinstance(backbone, StridedBackbone):
        raise ValueError(f"a {type(model).__name__} has no backbone whose maps could be drawn")
    return backbone
