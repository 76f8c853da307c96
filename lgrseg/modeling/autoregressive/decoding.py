"""Decoding: the blocks of mask tokens are predicted one after another, with cached keys and values.

Letters: N masks, P tokens, C codes, D size of a code, h w grid.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from lgrseg.modeling.autoregressive.orders import by_rows, visible_tokens
from lgrseg.modeling.autoregressive.sequence import MaskSequence, Prefix


@dataclass
class DecodedMasks:
    """Tokens of the finest scale, and the distribution from which each was taken."""

    tokens: Tensor
    """(N, h, w) int64 tokens."""
    codes: Tensor
    """(N, h, w, D) mean of the codes under the predicted distribution: soft tokens."""
    entropy: Tensor
    """(N, h, w) entropy of the predicted distribution in bits, at temperature 1. Codes that look
    alike increase it, so it is above the uncertainty of the contour."""


def decode_masks(
    sequence: MaskSequence,
    prefix: Prefix,
    *,
    cached: bool = True,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
) -> DecodedMasks:
    """Predict the tokens of masks block by block.

    Args:
        sequence: embedding of tokens, trunk and classifier of tokens.
        prefix: embedded image tokens and start token.
        cached: True to keep keys and values of earlier blocks. Without them the whole sequence is
            computed again in each step, for tests and for measurements of the time.
        temperature: 0 takes the most probable token, above 0 draws from softmax(logits / t).
        generator: random generator for drawing; None uses torch's.
    """
    tokenizer, order, grid = sequence.tokenizer, sequence.order, prefix.grid
    sizes = order.block_sizes(grid)
    cache = sequence.trunk.new_cache() if cached else None
    if cache is not None:
        sequence.trunk(prefix.tokens, prefix.positions, None, cache)
    content: Tensor | None = None
    inputs: list[Tensor] = []
    tokens: list[Tensor] = []
    codes: list[Tensor] = []
    entropy: list[Tensor] = []
    for block, size in enumerate(sizes):
        begin = sum(sizes[:block])
        inputs.append(sequence.embed(prefix, content, begin, begin + size))
        if cache is not None:
            places = sequence.places(grid)[begin : begin + size]
            hidden = sequence.trunk(inputs[-1], places, None, cache)
        else:
            hidden = _without_cache(sequence, prefix, inputs, sizes[: block + 1])
        logits = sequence.classify(hidden).float()
        chosen = _choose(logits, temperature, generator)
        tokens.append(chosen)
        probs = logits.softmax(dim=-1)
        codes.append(probs @ tokenizer.codebook)
        entropy.append(torch.special.entr(probs).sum(dim=-1) / math.log(2))
        if block + 1 < len(sizes):
            content = order.next_content(tokenizer, tokenizer.codebook[chosen], grid, block + 1)
    last, walk = grid[0] * grid[1], order.walk(grid, prefix.tokens.device)
    finest = [
        by_rows(torch.cat(parts, dim=1), walk)[:, -last:] for parts in (tokens, codes, entropy)
    ]
    return DecodedMasks(*(part.unflatten(1, grid) for part in finest))


def joined_frames(frames: Sequence[DecodedMasks]) -> DecodedMasks:
    """Join the masks of B clips that were decoded frame by frame: B T masks, clip after clip."""
    parts = ([getattr(each, field.name) for each in frames] for field in fields(DecodedMasks))
    return DecodedMasks(*(torch.stack(part, dim=1).flatten(0, 1) for part in parts))


def _without_cache(
    sequence: MaskSequence, prefix: Prefix, inputs: list[Tensor], sizes: list[int]
) -> Tensor:
    """Outputs (N, p, D) of the last block, computed from all tokens so far."""
    num_prefix, num_masks = prefix.tokens.shape[1], sum(sizes)
    tokens = torch.cat([prefix.tokens, *inputs], dim=1)
    places = sequence.places(prefix.grid)[:num_masks]
    visible = visible_tokens(num_prefix, sizes, tokens.device)
    return sequence.trunk(tokens, torch.cat([prefix.positions, places]), visible)[:, -sizes[-1] :]


def _choose(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    if temperature == 0:
        return logits.argmax(dim=-1)
    probs = (logits / temperature).softmax(dim=-1)
    return torch.multinomial(probs.flatten(0, 1), 1, generator=generator).view(logits.shape[:-1])
