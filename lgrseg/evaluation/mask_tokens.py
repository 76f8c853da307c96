"""Evaluates a mask tokenizer: its reconstruction, and how it uses its codes."""

from collections import Counter

import numpy as np
import torch.nn.functional as F

from lgrseg.comm.processes import all_gather_object
from lgrseg.data.record import VideoRecord
from lgrseg.evaluation.evaluator import SegmentationEvaluator
from lgrseg.structures import Clip, ClipPrediction, ClipTargets


class TokenEvaluator(SegmentationEvaluator):
    """A SegmentationEvaluator whose results also have "tokens", the use of the codes.

    A patch is pure if it shows one class only. Tokens of pure patches carry no information besides
    their class, so different tokens for the same class ("pure_patch_bits") are a fault.
    """

    def reset(self) -> None:
        """Remove all rows and tokens."""
        super().reset()
        self._tokens: dict[tuple[str, int, int], tuple[np.ndarray, np.ndarray]] = {}

    def process(
        self,
        record: VideoRecord,
        anchor: int,
        clip: Clip,
        targets: ClipTargets,
        prediction: ClipPrediction,
        seconds: float = 0.0,
    ) -> None:
        """Add one clip of class shares, whose prediction has tokens.

        Raises:
            ValueError: the prediction has no tokens; see also `SegmentationEvaluator.process`.
        """
        if prediction.tokens is None:
            raise ValueError(
                "the model predicts no tokens: TokenEvaluator is for mask tokenizers, use "
                "SegmentationEvaluator for other models"
            )
        super().process(record, anchor, clip, targets, prediction, seconds)
        tokens = prediction.tokens.cpu()
        pure_class = _pure_classes(clip, tokens.shape[-2:])
        for position, frame in enumerate(clip.frame_indices.tolist()):
            key = (record.video_id, anchor, frame)
            self._tokens[key] = (tokens[position].numpy(), pure_class[position])

    def evaluate(self) -> dict:
        """The results of all processes, with "tokens"."""
        results = super().evaluate()
        merged = {
            key: value for part in all_gather_object(self._tokens) for key, value in part.items()
        }
        tokens = np.stack([merged[key][0] for key in sorted(merged)])
        pure_class = np.stack([merged[key][1] for key in sorted(merged)])
        return results | {"tokens": token_use(tokens, pure_class)}


def _pure_classes(clip: Clip, grid) -> np.ndarray:
    """(T, h, w) int64: the only class of every patch, 0 background; -1 for boundary patches."""
    shares = clip.frames.cpu()
    height, width = shares.shape[-2:]
    stride = -(-height // grid[0])
    shares = F.pad(shares, (0, -width % stride, 0, -height % stride), mode="replicate")
    least, label = (-F.max_pool2d(-shares, stride)).max(dim=1)
    return label.masked_fill(least < 0.999, -1).numpy()


def token_use(tokens: np.ndarray, pure_class: np.ndarray) -> dict[str, float]:
    """How many codes are used, and how many bits they carry.

    Args:
        tokens: (N, h, w) tokens of all masks.
        pure_class: (N, h, w) class of pure patches; -1 for boundary patches.

    Returns:
        "codes_used"; "bits", the entropy of a token; "perplexity", 2 ** bits; "pure_share", the
        share of pure patches; "pure_patch_bits", the mean entropy of the token of a pure patch
        whose class is known; "boundary_codes" and "boundary_bits" of the other patches.
    """
    bits, is_pure = entropy_bits(tokens), pure_class >= 0
    per_class = [(tokens[pure_class == k]) for k in np.unique(pure_class[is_pure])]
    pure_bits = sum(len(part) * entropy_bits(part) for part in per_class)
    boundary = tokens[~is_pure]
    return {
        "codes_used": len(np.unique(tokens)),
        "bits": bits,
        "perplexity": 2**bits,
        "pure_share": float(is_pure.mean()),
        "pure_patch_bits": pure_bits / max(1, int(is_pure.sum())),
        "boundary_codes": len(np.unique(boundary)),
        "boundary_bits": entropy_bits(boundary),
    }


def entropy_bits(tokens: np.ndarray) -> float:
    """Entropy of the distribution of tokens in bits; 0 if there are none."""
    counts = np.array(list(Counter(tokens.ravel().tolist()).values()), dtype=float)
    shares = counts / max(1.0, counts.sum())
    return float(-(shares * np.log2(shares)).sum())
