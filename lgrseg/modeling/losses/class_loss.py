"""Cross-entropy of the classes of queries; for queries without an object, of "no object".

Source: Carion et al., "End-to-End Object Detection with Transformers", ECCV 2020, section 3.1.

Letters: L decoder outputs, B clips, Q queries, K classes.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lgrseg.layers.clip_batch import to_device
from lgrseg.modeling.losses.matcher import Matches
from lgrseg.structures import ClipTargets


def class_loss(
    class_logits: Tensor,
    matches: Sequence[Matches],
    targets: Sequence[ClipTargets],
    class_weights: Tensor,
) -> Tensor:
    """Sum of the weighted cross-entropy over the queries of clips with annotated frames, (L,).

    Args:
        class_logits: (L, B, Q, K + 1) class logits; the last class is "no object".
        matches: matched queries and objects of every clip.
        targets: targets of every clip.
        class_weights: (K + 1,) weights of the true classes.
    """
    no_object = class_logits.shape[-1] - 1
    true_classes = torch.full(class_logits.shape[:3], no_object)  # L B Q, filled on the CPU
    for clip, clip_matches in enumerate(matches):
        labels = targets[clip].labels
        for output, (queries, objects) in enumerate(clip_matches):
            of_queries = labels[torch.from_numpy(objects)]
            true_classes[output, clip, torch.from_numpy(queries)] = of_queries
    true_classes = to_device(true_classes, class_logits.device)
    supervised = torch.stack([target.annotated.any() for target in targets])
    supervised = to_device(supervised, class_logits.device)
    weights = class_weights[true_classes] * supervised[:, None]  # L B Q
    entropy = F.cross_entropy(class_logits.movedim(-1, 1), true_classes, reduction="none")
    return (weights * entropy).sum(dim=(1, 2))
