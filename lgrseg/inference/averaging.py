"""The mean of what several models, or one model from several views, say of the same frames.

What is averaged is the probability of each class at each pixel:

    p_k = mean over members of (sigmoid(logit_k) where the member finds class k, else 0)

A pixel belongs to the class with the largest mean where that is above one half. For a single member
that is where its logit is above 0, which is how one model draws its masks.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lgrseg.structures import ClipPrediction

ABSENT = -1e4
"""The logit of a class that no member finds."""


@torch.inference_mode()
def average_predictions(
    predictions: Sequence[ClipPrediction],
) -> ClipPrediction:
    """Average predictions of the same frames.

    Args:
        predictions: at least one, of the same K classes; maps of any stride, which are brought to
            the size of the largest.

    Returns:
        A prediction without boxes; a class is present where any member finds it.
    """
    size = max((p.mask_logits.shape[-2], p.mask_logits.shape[-1]) for p in predictions)
    maps = torch.stack([_logits(prediction, size) for prediction in predictions])
    # log p / (1 - p) of the mean p, without leaving logarithms: a sure member stays as sure.
    mean = F.logsigmoid(maps).logsumexp(dim=0) - F.logsigmoid(-maps).logsumexp(dim=0)
    class_probs = torch.stack([p.class_probs.float().to(mean.device) for p in predictions])
    present = torch.stack([p.present.to(mean.device) for p in predictions])
    return ClipPrediction(mean.float(), class_probs.mean(dim=0), present.any(dim=0))


def _logits(prediction: ClipPrediction, size: tuple[int, int]) -> Tensor:
    """(K, T, h, w) in double precision, ABSENT where the member does not find the class."""
    maps = prediction.mask_logits.double()
    maps = F.interpolate(maps, size, mode="bilinear", align_corners=False)
    return maps.masked_fill(~prediction.present[:, None, None, None], ABSENT)
