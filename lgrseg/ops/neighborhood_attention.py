"""Neighbourhood attention between two maps, in plain torch.

Source: Hassani et al., "Neighborhood Attention Transformer", CVPR 2023, section 3.1; dilation from
Hassani and Shi, arXiv 2209.15001. A pixel near the border keeps a full window, shifted inward.

How it is computed: queries go in tiles of 8 x 8; all their windows lie in one region of the key
map, so a tile is one dense, masked attention. That is about six times the products that are needed,
and still far faster on a CPU than gathering 25 keys for every pixel (README, "Design").
"""

import functools

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

TILE = 8


def neighborhood_attention(
    query: Tensor, key: Tensor, value: Tensor, *, kernel_size: int, dilation: int = 1
) -> Tensor:
    """Each pixel of one map attends to the k x k pixels around its place in another.

        out[i] = sum over j in window(i) of softmax_j(query[i] . key[j] / sqrt(C)) value[j]

    Args:
        query: (N, M, H, W, C).
        key: (N, M, H, W, C).
        value: (N, M, H, W, C).
        kernel_size: k, odd. A side shorter than k is attended whole.
        dilation: distance between neighbours; the window then holds pixels of the same residue.

    Returns:
        (N, M, H, W, C).
    """
    num_maps, _, height, width, _ = query.shape
    rows, row_seen = _tiles(height, kernel_size, dilation)
    columns, column_seen = _tiles(width, kernel_size, dilation)
    # A query sees a key where both its row and its column do: (tiles, queries, keys of the region).
    seen = rearrange(row_seen, "a i r -> a 1 i 1 r 1") & rearrange(
        column_seen, "b j c -> 1 b 1 j 1 c"
    )
    seen = rearrange(seen, "a b i j r c -> 1 (a b) (i j) (r c)").to(query.device)
    below, right = -height % TILE, -width % TILE
    tiles = rearrange(
        F.pad(query, (0, 0, 0, right, 0, below)),
        "n m (a i) (b j) c -> (n m) (a b) (i j) c",
        i=TILE,
        j=TILE,
    )
    out = F.scaled_dot_product_attention(
        tiles, _regions(key, rows, columns), _regions(value, rows, columns), attn_mask=seen
    )
    out = rearrange(
        out, "(n m) (a b) (i j) c -> n m (a i) (b j) c", n=num_maps, a=len(rows), i=TILE
    )
    return out[:, :, :height, :width]


def window_indices(length: int, kernel_size: int, dilation: int) -> Tensor:
    """Which positions along one axis each position attends to: (length, k) int64.

    Positions of one residue modulo the dilation form an axis of their own; windows are shifted
    inward at its ends, and shrink to all of it where it holds fewer than `kernel_size`.

    Raises:
        ValueError: an even kernel.
    """
    if kernel_size % 2 == 0:
        raise ValueError(f"a neighbourhood has a centre: kernel_size is odd, not {kernel_size}")
    position = torch.arange(length)
    residue = position % dilation
    members = (length - residue + dilation - 1) // dilation  # how many share the residue
    kept = min(kernel_size, int(members.min()))
    start = (position // dilation - kept // 2).clamp(min=0)
    start = torch.minimum(start, members - kept)
    return (start[:, None] + torch.arange(kept)) * dilation + residue[:, None]


@functools.lru_cache(maxsize=64)
def _tiles(length: int, kernel_size: int, dilation: int) -> tuple[Tensor, Tensor]:
    """One axis cut into tiles of queries, each with the region of keys that its windows need.

    Returns:
        (A, R) int64, the keys of each tile's region, and (A, TILE, R) bool, which of them each
        query sees. The last tile may hold queries that do not exist; they see what the last does.
    """
    windows = window_indices(length, kernel_size, dilation)
    queries = torch.arange(length + (-length % TILE)).clamp(max=length - 1)
    windows = rearrange(windows[queries], "(a i) k -> a i k", i=TILE)
    first, last = windows.amin(dim=(1, 2)), windows.amax(dim=(1, 2))
    reach = int((last - first).max()) + 1
    keys = first.clamp(max=length - reach)[:, None] + torch.arange(reach)  # A R
    seen = (windows[..., None] == keys[:, None, None]).any(dim=2)
    return keys, seen


def _regions(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The regions of all tiles: (N, M, H, W, C) -> (N M, A B, R R, C)."""
    regions = maps.index_select(2, rows.flatten().to(maps.device))
    regions = regions.index_select(3, columns.flatten().to(maps.device))
    return rearrange(
        regions, "n m (a r) (b s) c -> (n m) (a b) (r s) c", a=len(rows), b=len(columns)
    )
