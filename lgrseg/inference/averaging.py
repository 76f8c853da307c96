"""The mean prediction of several models, or of one model for several views, of the same frames.

The probability of each class at each pixel is averaged:

    p_k = mean over members of (sigmoid(logit_k) if the member predicts class k, else 0)

A pixel belongs to the class with the largest mean, if this mean is above 0.5. For a single member
this is the rule of `ClipPrediction.label_maps`, because its logit is then above 0.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lgrseg.structures import ClipPrediction

ABSENT = -1e4
"""Logit of a class that a member does not predict."""


@torch.inference_mode()
def average_predictions(
    predictions: Sequence[ClipPrediction],
) -> ClipPrediction:
    """Average predictions of the same frames.

    Args:
        predictions: predictions of the same K classes, at least one. Their maps are resized to the
            size of the largest.

    Returns:
        A prediction without boxes; a class is present if at least one member predicts it.
    """
    size = max((p.mask_logits.shape[-2], p.mask_logits.shape[-1]) for p in predictions)
    maps = torch.stack([_logits(prediction, size) for prediction in predictions])
    # The logit of the mean, log(p / (1 - p)), in logarithms, so that large logits keep their value.
    mean = F.logsigmoid(maps).logsumexp(dim=0) - F.logsigmoid(-maps).logsumexp(dim=0)
    class_probs = torch.stack([p.class_probs.float().to(mean.device) for p in predictions])
    present = torch.stack([p.present.to(mean.device) for p in predictions])
    return ClipPrediction(mean.float(), class_probs.mean(dim=0), present.any(dim=0))


def _logits(prediction: ClipPrediction, size: tuple[int, int]) -> Tensor:
    """(K, T, h, w) in double precision, ABSENT for classes that are not predicted."""
    maps = prediction.mask_logits.double()
    maps = F.interpolate(maps, size, mode="bilinear", align_corners=False)
    return maps.masked_fill(~prediction.present[:, None, None, None], ABSENT)
