"""Colours for feature maps: the principal components of one clip.

The pictures follow Oquab et al., "DINOv2", arXiv 2304.07193, figure 1 and section 7.5: a first
principal component separates the foreground, and three components of the foreground become red,
green and blue. Here all frames of a clip share one basis and one scale, so that a colour has
the same meaning in every frame.

Letters: T frames, h w size of a map, C channels, N map positions, P components.
"""

from dataclasses import dataclass

import numpy as np

LEAST_PLACES = 8
"""Smallest number of positions; three components of fewer positions would not be meaningful."""


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
    if total <= 1e-10 * (total + size):  # only rounding errors of float32
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

    The sign of the first component is arbitrary. The foreground is the side opposite to the mean
    of the border of the map.

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
