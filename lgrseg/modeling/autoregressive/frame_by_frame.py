"""Segments the frames of clips: each alone, or with the masks of the frames before it.

Letters: B clips, T frames, N images, K classes, D width of a token, h w grid of tokens.
"""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from lgrseg.modeling.autoregressive.decoding import DecodedMasks, decode_masks, joined_frames
from lgrseg.modeling.autoregressive.sequence import MaskSequence


def segment_clips(
    sequence: MaskSequence,
    image: Tensor,
    requested: Tensor,
    earlier: Sequence[Tensor],
    *,
    num_samples: int,
    temperature: float,
) -> tuple[Tensor, DecodedMasks, list[Tensor]]:
    """Segment B clips; with a memory, frame after frame.

    Args:
        sequence: embedding of tokens, trunk and classifier of tokens.
        image: (B, T, D, h, w) image tokens.
        requested: (K,) bool, true for classes to segment.
        earlier: codes of the masks before the clips, the latest first; without a memory, none.
        num_samples: number of sampled masks whose probabilities are averaged.
        temperature: temperature of sampling; 0 always takes the most probable token.

    Returns:
        Scores (B T, K + 1, H, W) of the padded frames, B T masks, and `earlier` of the clips that
        follow.
    """
    segment = functools.partial(
        segment_images,
        sequence,
        requested=requested,
        num_samples=num_samples,
        temperature=temperature,
    )
    if sequence.memory is None:
        return *segment(image.flatten(0, 1)), []
    latest, scores, masks = list(earlier), [], []
    for frame in image.unbind(dim=1):
        frame_scores, decoded = segment(frame, earlier=latest)
        scores.append(frame_scores)
        masks.append(decoded)
        latest = [decoded.codes, *latest][: sequence.memory.num_masks]
    return torch.stack(scores, dim=1).flatten(0, 1), joined_frames(masks), latest


def segment_images(
    sequence: MaskSequence,
    image: Tensor,
    requested: Tensor,
    earlier: Sequence[Tensor] = (),
    *,
    num_samples: int,
    temperature: float,
) -> tuple[Tensor, DecodedMasks]:
    """Segment N images (N, D, h, w); the other arguments are those of `segment_clips`.

    Returns:
        Scores (N, K + 1, H, W), with several samples the logarithms of their mean probabilities;
        and the last sample.
    """
    prefix = sequence.prefix(image, requested.expand(len(image), -1), earlier)
    generator = torch.Generator(image.device).manual_seed(0)
    samples = [
        decode_masks(sequence, prefix, temperature=temperature, generator=generator)
        for _ in range(num_samples)
    ]
    scores = [sequence.tokenizer.decode(sample.codes) for sample in samples]
    if len(scores) == 1:
        return scores[0], samples[0]
    probs = torch.stack([each.softmax(dim=1) for each in scores]).mean(dim=0)
    return probs.clamp(min=1e-8).log(), samples[-1]
