"""Two classifiers of feature vectors: a logistic regression, and nearest neighbours.

Letters: M feature vectors, such as the positions of feature maps, C channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK = 2048
"""Number of vectors whose neighbours are searched at the same time."""


def linear_scores(
    known: Tensor, labels: Tensor, unknown: Tensor, num_labels: int, *, penalty: float
) -> Tensor:
    """Scores of a logistic regression, fitted by 60 iterations of L-BFGS from zeros.

    Args:
        known: (M, C) standardised features of known label.
        labels: (M,) int64 labels.
        unknown: (M', C) features.
        num_labels: number of labels.
        penalty: weight of half the sum of the squared weights.

    Returns:
        (M', num_labels) log-probabilities.
    """
    weights = torch.zeros(num_labels, known.shape[1], requires_grad=True)
    bias = torch.zeros(num_labels, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, bias], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        with torch.enable_grad():
            loss = F.cross_entropy(F.linear(known, weights, bias), labels)
            loss = loss + penalty / 2 * weights.square().sum()
            loss.backward()
        return loss

    optimizer.step(closure)
    return F.linear(unknown, weights.detach(), bias.detach()).log_softmax(dim=-1)


def neighbour_scores(
    known: Tensor,
    labels: Tensor,
    unknown: Tensor,
    num_labels: int,
    *,
    neighbours: int,
    temperature: float,
) -> Tensor:
    """Scores of the weighted votes of nearest neighbours, by cosine.

    Source: Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination",
    CVPR 2018.

    Args:
        known: (M, C) features of known label.
        labels: (M,) int64 labels.
        unknown: (M', C) features.
        num_labels: number of labels.
        neighbours: number of neighbours, at most M are used.
        temperature: the weight of a neighbour is exp(cosine / temperature).

    Returns:
        (M', num_labels) shares of the votes, 0 to 1.
    """
    known = F.normalize(known, dim=-1)
    votes = F.one_hot(labels, num_labels).float()
    parts = []
    for chunk in F.normalize(unknown, dim=-1).split(CHUNK):
        cosines, nearest = (chunk @ known.T).topk(min(neighbours, len(known)), dim=1)
        weights = (cosines / temperature).softmax(dim=1)
        parts.append(torch.einsum("mk,mkl->ml", weights, votes[nearest]))
    return torch.cat(parts)
