"""The sequence of one mask: memory, image tokens, start token, mask tokens.

The memory, masks of earlier frames, is optional.

Letters: N masks, P tokens, K classes, C codes, D width of a token, h w grid of the mask.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from lgrseg.modeling.autoregressive.memory import MaskMemory
from lgrseg.modeling.autoregressive.orders import (
    Grid,
    NextScale,
    Raster,
    by_rows,
    places,
    visible_tokens,
)
from lgrseg.modeling.autoregressive.tokenizer import MaskTokenizer
from lgrseg.modeling.autoregressive.trunk import Trunk

MAX_SCALES = 8


@dataclass
class Prefix:
    """What the mask tokens are predicted from."""

    tokens: Tensor
    """(N, P, D) embedded tokens."""
    positions: Tensor
    """(P, 3) positions in time, height and width."""
    places: Tensor
    """(N, P', D) what is known of the places of the mask tokens."""
    grid: Grid
    """(h, w)."""


class MaskSequence(nn.Module):
    """Embeds image and mask tokens, runs the trunk, and classifies the next tokens."""

    def __init__(
        self,
        *,
        tokenizer: MaskTokenizer,
        trunk: Trunk,
        order: Raster | NextScale,
        aligned: bool = True,
        memory: MaskMemory | None = None,
    ):
        """Build the embeddings.

        Args:
            tokenizer: trained tokenizer, which stays frozen.
            trunk: decoder-only transformer.
            order: order in which tokens are predicted.
            aligned: True if every mask token also gets the image token of its place. Otherwise it
                finds the place by attention only.
            memory: memory of earlier frames; None for none.
        """
        super().__init__()
        self.tokenizer = tokenizer.requires_grad_(False).eval()
        self.trunk, self.order, self.memory = trunk, order, memory
        width = trunk.width
        self.start = nn.Parameter(0.02 * torch.randn(width))
        self.class_tokens = nn.Embedding(tokenizer.num_classes, width)
        self.no_content = nn.Parameter(0.02 * torch.randn(width))
        self.scale_tokens = nn.Embedding(MAX_SCALES, width)
        self.content = nn.Sequential(
            nn.Linear(tokenizer.codebook.shape[1], width), nn.GELU(), nn.Linear(width, width)
        )
        self.align = nn.Linear(width, width) if aligned else None
        self.codes = nn.Linear(width, tokenizer.num_codes)
        for embedding in (self.class_tokens, self.scale_tokens):
            nn.init.normal_(embedding.weight, std=0.02)

    def train(self, mode: bool = True) -> "MaskSequence":
        """Set the mode of all parts but the tokenizer, which is frozen."""
        super().train(mode)
        self.tokenizer.eval()
        return self

    def prefix(
        self,
        image: Tensor,
        requested: Tensor,
        earlier: Sequence[Tensor] = (),
        is_absent: Tensor | None = None,
    ) -> Prefix:
        """Make the prefix of N masks.

        Args:
            image: (N, D, h, w) image tokens.
            requested: (N, K) bool: classes that the mask is to show.
            earlier: codes (N, h, w, size of a code) of the masks of earlier frames, the latest
                first. Only a model with a memory uses them.
            is_absent: (N, M) bool, true for masks of the memory that are left out; None for none.
        """
        grid = (image.shape[2], image.shape[3])
        tokens = rearrange(image, "n d h w -> n (h w) d")
        start = self.start + requested.to(image) @ self.class_tokens.weight
        middle = image.new_tensor([[0.0, (grid[0] - 1) / 2, (grid[1] - 1) / 2]])
        positions = torch.cat([places([grid], image.device), middle])
        tokens = torch.cat([tokens, start[:, None]], dim=1)
        if self.memory is not None:
            remembered = self.memory([self.content(each) for each in earlier], is_absent, tokens)
            tokens = torch.cat([remembered, tokens], dim=1)
            positions = torch.cat([self.memory.positions(grid, image.device), positions])
        return Prefix(tokens, positions, self._embed_places(image), grid)

    def places(self, grid: Grid) -> Tensor:
        """(P, 3) positions of the mask tokens, in order."""
        device = self.start.device
        return places(self.order.scales(grid), device)[self.order.walk(grid, device)]

    def embed(self, prefix: Prefix, content: Tensor | None, begin: int, end: int) -> Tensor:
        """Embed the inputs of the mask tokens begin to end - 1.

        Args:
            prefix: prefix of the masks.
            content: (N, end - begin, D) codes; None for the first block, which has no content.
            begin: first token.
            end: one after the last token.

        Returns:
            (N, end - begin, D).
        """
        embedded = self.no_content if content is None else self.content(content)
        return prefix.places[:, begin:end] + embedded

    def _embed_places(self, image: Tensor) -> Tensor:
        """Scale, and image token, of the places of all mask tokens: (N, P, D), in order."""
        grid = (image.shape[2], image.shape[3])
        scales = self.order.scales(grid)
        if len(scales) > MAX_SCALES:
            raise ValueError(
                f"a grid of {scales[-1]} tokens has {len(scales)} scales, and this model knows "
                f"{MAX_SCALES}: use smaller frames (input_size of the mappers)"
            )
        parts = []
        for level, (height, width) in enumerate(reversed(scales)):
            scale = self.scale_tokens.weight[level].expand(len(image), height * width, -1)
            if self.align is None:
                parts.append(scale)
                continue
            pooled = F.adaptive_avg_pool2d(image, (height, width)).flatten(2).transpose(1, 2)
            parts.append(scale + self.align(pooled))
        return torch.cat(parts[::-1], dim=1)[:, self.order.walk(grid, image.device)]

    def classify(self, hidden: Tensor) -> Tensor:
        """Outputs of the trunk (N, P, D) -> logits of the codes (N, P, C)."""
        return self.codes(hidden)

    def forward(self, prefix: Prefix, scales: list[Tensor]) -> Tensor:
        """Logits (N, P, C) of all mask tokens, by rows, from the true tokens before them.

        Args:
            prefix: prefix of the masks.
            scales: input tokens (N, h, w) of each scale.
        """
        sizes = self.order.block_sizes(prefix.grid)
        with torch.no_grad():
            content = self.order.contents(self.tokenizer, scales)
        first, total = sizes[0], sum(sizes)
        inputs = [self.embed(prefix, None, 0, first)]
        if total > first:
            inputs.append(self.embed(prefix, content, first, total))
        tokens = torch.cat([prefix.tokens, *inputs], dim=1)
        positions = torch.cat([prefix.positions, self.places(prefix.grid)])
        visible = visible_tokens(prefix.tokens.shape[1], sizes, tokens.device)
        hidden = self.trunk(tokens, positions, visible)
        return self.classify(
            by_rows(hidden[:, -total:], self.order.walk(prefix.grid, tokens.device))
        )
