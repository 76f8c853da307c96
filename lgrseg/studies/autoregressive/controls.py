"""Controls of AR-SEG: scores with a part of the model replaced by the truth, or by nonsense.

The Dice of the tokenizer is the ceiling of every model that predicts its tokens. The Dice with true
tokens as input has no error of earlier tokens. With image tokens of another clip, or in random
order, a model that uses the image must be as bad as the mean shape, or worse.

Letters: T frames, A annotated frames, K classes, D width of a token, h w grid of tokens.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from lgrseg.data.record import VideoRecord
from lgrseg.evaluation import SegmentationEvaluator
from lgrseg.layers.clip_batch import crop_to_input
from lgrseg.layers.map_size import map_size
from lgrseg.modeling.autoregressive.orders import tokens_of_scales
from lgrseg.modeling.autoregressive.segmenter import ARSegmenter
from lgrseg.modeling.autoregressive.tokenizer import (
    padded_shares,
    pure_patches,
    shares_of_labels,
)
from lgrseg.modeling.heads.per_pixel import clip_prediction
from lgrseg.modeling.heads.pixel_truth import pixel_truth
from lgrseg.structures import Clip, ClipPrediction, ClipTargets

Sample = tuple[VideoRecord, int, Clip, ClipTargets]
Control = Callable[[ARSegmenter, Sample], ClipPrediction]


@dataclass(frozen=True)
class ControlScores:
    """Scores of one control on one dataset."""

    dice: dict[str, float | None]
    """Class -> mean Dice over patients; "mean" is the mean over classes."""
    boundary_accuracy: float | None
    """Share of right tokens among those of patches with several classes, 0 to 1; None for controls
    that predict no tokens."""


def evaluate(
    model: ARSegmenter,
    control: Control,
    loader: Iterable[list[Sample]],
    evaluator: SegmentationEvaluator,
) -> ControlScores:
    """Score a control on all clips of a test loader; the model is in evaluation mode."""
    device = next(model.parameters()).device
    evaluator.reset()
    num_right = num_tokens = 0
    with torch.inference_mode():
        for samples in loader:
            for record, anchor, clip, targets in samples:
                sample = record, anchor, clip.to(device), targets.to(device)
                prediction = control(model, sample)
                evaluator.process(record, anchor, clip, targets, prediction)
                if prediction.tokens is not None:
                    is_right = _right_boundary_tokens(model, sample, prediction.tokens)
                    num_right += int(is_right.sum())
                    num_tokens += len(is_right)
    results = evaluator.evaluate()
    dice = {name: scores["dice"] for name, scores in results["classes"].items()}
    accuracy = num_right / num_tokens if num_tokens else None
    return ControlScores({"mean": results["mean"]["dice"], **dice}, accuracy)


def predicted(model: ARSegmenter, sample: Sample) -> ClipPrediction:
    """The prediction of the model, as it is."""
    return model([sample[2]])[0]


def only_tokenizer(model: ARSegmenter, sample: Sample) -> ClipPrediction:
    """The true masks, tokenized at the size of the input and decoded: the ceiling."""
    tokenizer, shares = model.sequence.tokenizer, _true_shares(model, sample)
    return _whole_clip(tokenizer.decode(tokenizer.codebook[tokenizer.tokens(shares)]), sample)


def true_earlier_tokens(model: ARSegmenter, sample: Sample) -> ClipPrediction:
    """Every token predicted from the image and from the true tokens before it.

    A model with a memory gets no earlier masks.
    """
    _, _, clip, targets = sample
    sequence, shares = model.sequence, _true_shares(model, sample)
    image = model.tokens_of_clips([clip])[0][targets.annotated_frames]
    grid = (image.shape[2], image.shape[3])
    requested = torch.ones(len(image), model.num_classes, dtype=torch.bool, device=image.device)
    tokens, _ = tokens_of_scales(sequence.tokenizer, shares, sequence.order.scales(grid))
    logits = sequence(sequence.prefix(image, requested), tokens)[:, -grid[0] * grid[1] :]
    codes = logits.float().softmax(dim=-1) @ sequence.tokenizer.codebook
    prediction = _whole_clip(sequence.tokenizer.decode(codes.unflatten(1, grid)), sample)
    chosen = logits.argmax(dim=-1).unflatten(1, grid)
    prediction.tokens = chosen.new_zeros(len(clip.frames), *grid)
    prediction.tokens[targets.annotated_frames] = chosen
    return prediction


def shuffled_image(model: ARSegmenter, sample: Sample) -> ClipPrediction:
    """The image tokens of every frame in random order, the same for all clips of one size."""
    clip = sample[2]
    image = model.tokens_of_clips([clip])
    size = image.shape[-2:]
    order = torch.randperm(size.numel(), generator=torch.Generator().manual_seed(0))
    image = image.flatten(-2)[..., order.to(image.device)].unflatten(-1, size)
    return model.predict_from(image, map_size(clip.frames))[0]


class AnotherImage:
    """The image tokens of an earlier clip, of another patient.

    Clips before the second patient get their own tokens upside down and mirrored.
    """

    def __init__(self) -> None:
        self._patient = ""
        self._of_patient: Tensor | None = None
        self._of_another: Tensor | None = None

    def __call__(self, model: ARSegmenter, sample: Sample) -> ClipPrediction:
        """Predict a clip from image tokens that are not its own."""
        record, _, clip, _ = sample
        image = model.tokens_of_clips([clip])
        if record.patient != self._patient:
            self._of_another = self._of_patient
        self._patient, self._of_patient = record.patient, image
        other = image.flip(-2, -1) if self._of_another is None else self._of_another
        num_frames = image.shape[1]
        frames = [frame % other.shape[1] for frame in range(num_frames)]
        return model.predict_from(other[:, frames], map_size(clip.frames))[0]


class MeanShape:
    """The likeliest class of each pixel over known masks, for every frame."""

    def __init__(self, samples: Iterable[Sample], num_classes: int):
        """Average the masks of `samples`, all of one size, with classes 0 to `num_classes` - 1.

        Raises:
            ValueError: there are no annotated frames.
        """
        total, count = torch.zeros(()), 0
        for *_, targets in samples:
            shares = shares_of_labels(_labels(targets), num_classes)
            total, count = total + shares.sum(dim=0), count + len(shares)
        if not count:
            raise ValueError("the mean shape needs annotated frames, and there are none")
        self.shares = total / count

    def __call__(self, model: ARSegmenter, sample: Sample) -> ClipPrediction:
        """Return the mean shape for a clip of the same size."""
        num_frames = len(sample[2].frames)
        scores = (self.shares + 1e-6).log()[:, None].expand(-1, num_frames, -1, -1)
        return clip_prediction(scores)


def _labels(targets: ClipTargets) -> Tensor:
    """(A, H, W) label maps of the annotated frames."""
    size = (targets.masks.shape[-2], targets.masks.shape[-1])
    return pixel_truth([targets], num_frames=1.0, padded_size=size).labels


def _true_shares(model: ARSegmenter, sample: Sample) -> Tensor:
    """(A, K + 1, H, W) true class shares, padded as the input of the model."""
    shares = shares_of_labels(_labels(sample[3]), model.num_classes)
    return padded_shares(shares, model.normalizer.divisor)


def _right_boundary_tokens(model: ARSegmenter, sample: Sample, tokens: Tensor) -> Tensor:
    """(M,) bool of the tokens of all patches of annotated frames that show several classes."""
    shares, tokenizer = _true_shares(model, sample), model.sequence.tokenizer
    is_right = tokens[sample[3].annotated_frames] == tokenizer.tokens(shares)
    return is_right[~pure_patches(shares, tokenizer.stride)]


def _whole_clip(scores: Tensor, sample: Sample) -> ClipPrediction:
    """Prediction of a clip from scores (A, K + 1, H, W) of its annotated frames, with padding."""
    _, _, clip, targets = sample
    scores = crop_to_input(scores.float(), map_size(clip.frames), stride=1)
    whole = scores.new_zeros(len(clip.frames), *scores.shape[1:])
    whole[targets.annotated_frames] = scores
    return clip_prediction(whole.transpose(0, 1))
