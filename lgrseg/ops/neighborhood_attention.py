"""Neighbourhood attention between two maps.

Source: Hassani et al., "Neighborhood Attention Transformer", CVPR 2023, section 3.1; dilation from
Hassani and Shi, arXiv 2209.15001. Near the border the window is shifted inward, so it stays full.

The reference groups queries into tiles of 4 x 4. All windows of a tile lie in one region of the key
map (8 x 8 for k = 5), so a tile is one dense, masked attention. This computes 2.5 times as many
products as necessary, but is much faster on a CPU than gathering 25 keys per pixel. Measured on
32 x 32 maps, forward and backward, one thread: tiles of 2, 4 and 8 take 95, 42 and 60 ms.
"""

import functools

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from lgrseg.ops.dispatch import KernelOp

TILE = 4


def neighborhood_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    kernel_size: int,
    dilation: int = 1,
    kernels: str | None = None,
) -> Tensor:
    """Each pixel of one map attends to the k x k pixels around its position in another map.

        out[i] = sum over j in window(i) of softmax_j(query[i] . key[j] / sqrt(C)) value[j]

    Args:
        query: (N, H, W, M, C) queries, M heads.
        key: (N, H, W, M, C) keys.
        value: (N, H, W, M, C) values.
        kernel_size: window size k in pixels, odd. If a side of the map is shorter than k, the
            window covers it.
        dilation: distance between neighbours in pixels; all pixels of a window have the same
            residue modulo the dilation.
        kernels: version that computes (see `lgrseg.ops.dispatch`).

    Returns:
        (N, H, W, M, C).

    Raises:
        ValueError: `kernel_size` is even, or `dilation` is below 1.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(
            f"kernel_size must be odd, so that the window has a centre; it is {kernel_size}"
        )
    if dilation < 1:
        raise ValueError(f"dilation must be 1 (adjacent pixels) or more, not {dilation}")
    return _OP(query, key, value, kernel_size, dilation, kernels=kernels)


def _reference(
    query: Tensor, key: Tensor, value: Tensor, kernel_size: int, dilation: int
) -> Tensor:
    dtype, (height, width, num_heads) = query.dtype, query.shape[1:4]
    if query.device.type == "cpu":
        # For such small tiles the fused attention is ten times slower in bfloat16 on a CPU.
        wide = torch.promote_types(dtype, torch.float32)
        query, key, value = query.to(wide), key.to(wide), value.to(wide)
    # While torch.compile traces, tensors are fake, so the plan is not cached.
    plan = _cached_plan if type(query) in (Tensor, nn.Parameter) else _plan
    pixels, attended = plan(height, width, kernel_size, dilation, query.device)
    below, right = -height % TILE, -width % TILE
    tiles = rearrange(
        F.pad(query, (0, 0, 0, 0, 0, right, 0, below)),
        "n (a i) (b j) m c -> (n m) (a b) (i j) c",
        i=TILE,
        j=TILE,
    )
    out = F.scaled_dot_product_attention(
        tiles, _regions(key, pixels), _regions(value, pixels), attn_mask=attended
    )
    out = rearrange(
        out, "(n m) (a b) (i j) c -> n (a i) (b j) m c", m=num_heads, b=-(-width // TILE), i=TILE
    )
    return out[:, :height, :width].to(dtype)


def _fake(query, key, value, kernel_size, dilation) -> tuple[Tensor, Tensor]:
    return query.new_empty(query.shape), query.new_empty(query.shape[:-1], dtype=torch.float32)


_OP = KernelOp(
    "neighborhood_attention",
    "Tensor query, Tensor key, Tensor value, int kernel_size, int dilation",
    reference=_reference,
    kernel="lgrseg.ops.neighborhood_attention_kernel",
    fake=_fake,
)


def window_mask(length: int, kernel_size: int, dilation: int) -> np.ndarray:
    """(length, length) bool mask of the positions on one axis to which each position attends.

    Positions with the same residue modulo the dilation form a separate axis. Windows are shifted
    inward at its ends. If it has fewer than `kernel_size` positions, the window is the whole axis.
    """
    position = np.arange(length)
    residue, index = position % dilation, position // dilation
    members = (length - residue + dilation - 1) // dilation  # number of positions with this residue
    start = np.minimum(index - kernel_size // 2, members - kernel_size).clip(min=0)[:, None]
    in_window = (index >= start) & (index < start + kernel_size)
    return in_window & (residue == residue[:, None])


@functools.lru_cache(maxsize=64)
def _cached_plan(*arguments) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False):  # the cached tensors must be usable in training
        return _plan(*arguments)


def _plan(height: int, width: int, kernel_size: int, dilation: int, device: torch.device):
    """Plan which keys the tiles of a map read.

    Returns:
        The pixels y W + x of every tile's region, (A B, R S), and the mask of those that each query
        of the tile attends to, (1, A B, TILE TILE, R S) bool.
    """
    rows, row_seen = _tiles(height, kernel_size, dilation)
    columns, column_seen = _tiles(width, kernel_size, dilation)
    row_seen = rearrange(row_seen, "a i r -> a 1 i 1 r 1")
    column_seen = rearrange(column_seen, "b j s -> 1 b 1 j 1 s")
    attended = rearrange(row_seen & column_seen, "a b i j r s -> 1 (a b) (i j) (r s)")
    pixels = rows[:, None, :, None] * width + columns[None, :, None, :]
    pixels = rearrange(pixels, "a b r s -> (a b) (r s)")
    return torch.tensor(pixels, device=device), torch.tensor(attended, device=device)


def _tiles(length: int, kernel_size: int, dilation: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut one axis into tiles of queries, each with the region of keys that its windows need.

    Returns:
        (A, R) int64 keys of each tile's region, and the (A, TILE, R) bool mask of those that each
        query attends to. Padding queries of the last tile attend to the same keys as the last
        query.
    """
    mask = window_mask(length, kernel_size, dilation)
    queries = np.arange(length + (-length % TILE)).clip(max=length - 1)
    mask = rearrange(mask[queries], "(a i) key -> a i key", i=TILE)
    needed = np.asarray(mask.any(axis=1))
    first, last = needed.argmax(axis=1), length - 1 - needed[:, ::-1].argmax(axis=1)
    reach = (last - first).max() + 1
    keys = first.clip(max=length - reach)[:, None] + np.arange(reach)  # A R
    attended = np.take_along_axis(mask, np.broadcast_to(keys[:, None], (*mask.shape[:2], reach)), 2)
    return keys, attended


def _regions(maps: Tensor, pixels: Tensor) -> Tensor:
    """Gather the regions of all tiles: (N, H, W, M, C) -> (N M, A B, R S, C)."""
    num_maps, height, width, num_heads, _ = maps.shape
    first = torch.arange(num_maps, device=maps.device) * (height * width)
    # Gathering whole rows of one table is the only gather that is fast on a CPU, also backward.
    table = rearrange(maps, "n h w m c -> (n h w) (m c)")
    regions = table.index_select(0, (first[:, None, None] + pixels).flatten())
    axes = {"n": num_maps, "t": pixels.shape[0], "k": pixels.shape[1], "m": num_heads}
    return rearrange(regions, "(n t k) (m c) -> (n m) t k c", **axes)
