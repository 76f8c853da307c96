"""In which order the tokens of a mask are predicted: one by one, or one whole grid after another.

The tokens of a mask are divided into blocks. Tokens of a block are predicted in one step, from all
earlier blocks. The input of a token is its content (what is known from earlier blocks), and the
image at its place.

Tokens have two numberings: row by row on the grid of each scale ("by rows"), and in the order in
which they are predicted ("in order"). They differ only for `Hilbert`.

Letters: N masks, P tokens of all scales, D size of a code, h w grid of a scale.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from lgrseg.modeling.autoregressive.tokenizer import MaskTokenizer
from lgrseg.ops.hilbert import hilbert_order

Grid = tuple[int, int]


class Raster:
    """Next token: row by row; the content of a token is the code of the token before it."""

    def scales(self, grid: Grid) -> list[Grid]:
        """The only scale: the grid itself."""
        return [grid]

    def block_sizes(self, grid: Grid) -> list[int]:
        """Every token is a block."""
        return [1] * (grid[0] * grid[1])

    def walk(self, grid: Grid, device: torch.device) -> Tensor:
        """(P,) int64: number by rows of each token, in the order of prediction."""
        return torch.arange(grid[0] * grid[1], device=device)

    def contents(self, tokenizer: MaskTokenizer, scales: list[Tensor]) -> Tensor:
        """Contents of all tokens but the first, if the tokens are known.

        Args:
            tokenizer: tokenizer of the tokens.
            scales: tokens (N, h, w) of each scale.

        Returns:
            (N, P - 1, D) contents, in order.
        """
        tokens = scales[0]
        walk = self.walk((tokens.shape[1], tokens.shape[2]), tokens.device)
        return tokenizer.codebook[tokens.flatten(1)[:, walk[:-1]]]

    def next_content(
        self, tokenizer: MaskTokenizer, codes: Tensor, grid: Grid, done: int
    ) -> Tensor:
        """Contents (N, 1, D) of the next block; `codes` (N, 1, D) are those of the last one."""
        return codes


class Hilbert(Raster):
    """Next token along a Hilbert curve: the token before is always a neighbour on the grid."""

    def walk(self, grid: Grid, device: torch.device) -> Tensor:
        """(P,) int64: number by rows of each token, in the order of the curve."""
        return hilbert_order(*grid, device)


class NextScale:
    """Next scale: grids from 1 x 1 to the finest, each twice as fine as the one before it.

    Source: Tian et al., "Visual Autoregressive Modeling", NeurIPS 2024. Different here: every
    scale is a whole label map, tokenized at its own size, instead of a residual. The content of a
    token is its patch in the label map of the scale before, decoded and enlarged.
    """

    def __init__(self, *, num_scales: int | None = None):
        """`num_scales` is the number of finest scales that are used; None uses all.

        With 1, all tokens are predicted in one step, independently of each other.
        """
        if num_scales is not None and num_scales < 1:
            raise ValueError(f"num_scales={num_scales}: 1 is the finest scale only, None is all")
        self.num_scales = num_scales

    def scales(self, grid: Grid) -> list[Grid]:
        """The grids, from the coarsest to the finest."""
        grids = [grid]
        while grids[-1] != (1, 1) and len(grids) != self.num_scales:
            height, width = grids[-1]
            grids.append((-(-height // 2), -(-width // 2)))
        return grids[::-1]

    def block_sizes(self, grid: Grid) -> list[int]:
        """Every scale is a block."""
        return [height * width for height, width in self.scales(grid)]

    def walk(self, grid: Grid, device: torch.device) -> Tensor:
        """(P,) int64: each scale is predicted row by row."""
        return torch.arange(sum(self.block_sizes(grid)), device=device)

    def contents(self, tokenizer: MaskTokenizer, scales: list[Tensor]) -> Tensor:
        """Contents (N, P - p, D) of the tokens of all scales but the first one with p tokens."""
        enlarged = [
            enlarged_contents(tokenizer, tokenizer.codebook[coarse], (fine.shape[1], fine.shape[2]))
            for coarse, fine in pairwise(scales)
        ]
        if not enlarged:
            return tokenizer.codebook.new_zeros(len(scales[0]), 0, tokenizer.codebook.shape[1])
        return torch.cat(enlarged, dim=1)

    def next_content(
        self, tokenizer: MaskTokenizer, codes: Tensor, grid: Grid, done: int
    ) -> Tensor:
        """Contents (N, h w, D) of scale number `done`, from the codes of the scale before it."""
        scales = self.scales(grid)
        height, width = scales[done - 1]
        maps = rearrange(codes, "n (h w) d -> n h w d", h=height, w=width)
        return enlarged_contents(tokenizer, maps, scales[done])


def enlarged_contents(tokenizer: MaskTokenizer, codes: Tensor, grid: Grid) -> Tensor:
    """Decode codes (N, h, w, D), enlarge the label map, and encode it: (N, h' w', D)."""
    probs = tokenizer.decode(codes).softmax(dim=1)
    size = (grid[0] * tokenizer.stride, grid[1] * tokenizer.stride)
    shares = F.interpolate(probs, size, mode="bilinear", align_corners=False)
    return rearrange(tokenizer.encode(shares), "n h w d -> n (h w) d")


def tokens_of_scales(
    tokenizer: MaskTokenizer, shares: Tensor, scales: list[Grid]
) -> tuple[list[Tensor], list[Tensor]]:
    """Tokenize label maps at every scale.

    Args:
        tokenizer: tokenizer of the tokens.
        shares: (N, K + 1, H, W) class shares.
        scales: grids, of which the finest has a token for each patch.

    Returns:
        Tokens (N, h, w) of each scale, and the class shares (N, K + 1, s h, s w) of each scale,
        with stride s of the tokenizer.
    """
    stride = tokenizer.stride
    maps = [F.adaptive_avg_pool2d(shares, (h * stride, w * stride)) for h, w in scales]
    return [tokenizer.tokens(each) for each in maps], maps


def by_rows(tokens: Tensor, walk: Tensor) -> Tensor:
    """Bring values (N, P, ...) from the order of prediction to the numbering by rows."""
    return tokens[:, walk.argsort()]


def places(scales: list[Grid], device: torch.device) -> Tensor:
    """(P, 3) positions (0, row, column) of tokens by rows, in cells of the finest grid.

    A token of a coarse scale is at the middle of the cells that it covers.
    """
    height, width = scales[-1]
    parts = []
    for h, w in scales:
        rows = (torch.arange(h, device=device) + 0.5) * (height / h) - 0.5
        columns = (torch.arange(w, device=device) + 0.5) * (width / w) - 0.5
        grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).reshape(-1, 2)
        parts.append(F.pad(grid, (1, 0)))
    return torch.cat(parts)


def visible_tokens(num_prefix: int, block_sizes: list[int], device: torch.device) -> Tensor:
    """(P', P') bool of prefix and mask tokens: a token sees the prefix, earlier blocks and its own.

    Tokens of the prefix see the whole prefix, and no mask token.
    """
    sizes = torch.tensor([num_prefix, *block_sizes], device=device)
    block = torch.arange(len(sizes), device=device).repeat_interleave(sizes)
    return block[:, None] >= block[None]
