"""Frechet distance between two sets of feature vectors: how different two sets of images look.

Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
Equilibrium", NeurIPS 2017 (FID). FID is this distance for the features of one Inception network and
many thousand images. With another encoder the numbers are not FID, and only distances by one
encoder and of equally many images can be compared: with few images the distance is too large.
"""

import torch
from torch import Tensor


def frechet_distance(features: Tensor, others: Tensor) -> float:
    """Squared Frechet distance between the Gaussians with the means and covariances of two sets.

        |m1 - m2|^2 + tr(S1 + S2 - 2 (S1^1/2 S2 S1^1/2)^1/2)

    Covariances are divided by the number of vectors minus 1.

    Args:
        features: (M, D) vectors, M at least 2.
        others: (M', D) vectors, M' at least 2.

    Raises:
        ValueError: a set has fewer than 2 vectors, or the numbers of dimensions differ.
    """
    if min(len(features), len(others)) < 2 or features.shape[1:] != others.shape[1:]:
        raise ValueError(
            f"two sets of at least 2 vectors of one length are compared, not "
            f"{tuple(features.shape)} and {tuple(others.shape)}"
        )
    features, others = features.double(), others.double()
    difference = features.mean(dim=0) - others.mean(dim=0)
    first, second = torch.cov(features.T), torch.cov(others.T)
    first, second = torch.atleast_2d(first), torch.atleast_2d(second)
    root = _root(first)
    joined = _root(root @ second @ root)
    spread = first.trace() + second.trace() - 2 * joined.trace()
    return float(difference.square().sum() + spread)


def _root(matrix: Tensor) -> Tensor:
    """Square root of a symmetric matrix whose eigenvalues are 0 or above, except for rounding."""
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T
