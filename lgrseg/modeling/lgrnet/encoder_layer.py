"""A layer of LGRNet's encoder: exchange between frames, between pixels and queries, between scales.

Sources: LGRNet (MICCAI 2024), Figure 2; deformable attention: Deformable DETR (ICLR 2021).

Letters: B clips, T frames, D width, S pixels of the three scales, Q frame queries, M heads,
L scales, P points.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from lgrseg.layers.clip_batch import to_device
from lgrseg.modeling.lgrnet.hilbert_scan import QueryScan
from lgrseg.modeling.lgrnet.temporal import (
    CrossAttention,
    CyclicNeighborhoodPropagation,
    FeedForward,
)
from lgrseg.ops import hilbert_order, ms_deform_attn_softmax, reference_points


class Layout(NamedTuple):
    """Positions of the tokens of a clip, the same for all layers."""

    shapes: list[tuple[int, int]]
    """(H, W) of each scale."""
    points: Tensor
    """(S, 2) centre of every pixel as (x, y), 0 to 1."""
    pixels: Tensor
    """(L, 2) width and height of a pixel of every scale, as fractions of the map."""
    order: Tensor
    """(T Q,) indices of the frame queries along the Hilbert curve."""


def layout_of(
    shapes: list[tuple[int, int]], num_frames: int, num_queries: int, *, device: torch.device
) -> Layout:
    """The layout of clips of T frames with Q frame queries each."""
    pixels = torch.tensor([[1 / width, 1 / height] for height, width in shapes])
    return Layout(
        shapes=shapes,
        points=reference_points(shapes, device),
        pixels=to_device(pixels, device),
        # The curve starts along the queries even if there are more frames, as in the public code.
        order=hilbert_order(num_frames, num_queries, device),
    )


class EncoderLayer(nn.Module):
    """Local attention, gather, scan, write back, deformable attention and FFN, in this order."""

    recomputable = True

    def __init__(
        self,
        *,
        dim: int,
        num_heads: int,
        num_points: int,
        kernel_size: int,
        dilation: int,
        num_scans: int,
        state_dim: int,
        pixel_ffn_dim: int,
        query_ffn_dim: int,
        zero_padded_keys: bool,
        mask_frame_queries: bool,
        cyclic: bool,
        causal: bool,
    ):
        super().__init__()
        self.mask_frame_queries = mask_frame_queries
        self.local = CyclicNeighborhoodPropagation(
            dim=dim,
            num_heads=num_heads,
            kernel_size=kernel_size,
            dilation=dilation,
            zero_padded_keys=zero_padded_keys,
            cyclic=cyclic,
        )
        self.gather = CrossAttention(dim=dim, num_heads=num_heads)
        self.scan = QueryScan(
            dim=dim,
            num_layers=num_scans,
            state_dim=state_dim,
            ffn_dim=query_ffn_dim,
            causal=causal,
        )
        self.write_back = CrossAttention(dim=dim, num_heads=num_heads)
        self.deform = DeformableAttention(dim=dim, num_heads=num_heads, num_points=num_points)
        self.ffn = FeedForward(dim=dim, hidden_dim=pixel_ffn_dim)

    def forward(
        self,
        tokens: Tensor,
        positions: Tensor,
        queries: Tensor,
        query_positions: Tensor,
        layout: Layout,
        time: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Update pixels (B, T, S, D) at `positions` (S, D) and frame queries (B, T, Q, D)."""
        num_clips = len(tokens)
        tokens = self.local(tokens, layout.shapes)
        tokens, queries = (rearrange(x, "b t n d -> (b t) n d") for x in (tokens, queries))
        blocked = (
            outside_object(queries, tokens, layout.shapes) if self.mask_frame_queries else None
        )
        queries = self.gather(queries, query_positions, tokens, positions, blocked)
        queries = self.scan(
            rearrange(queries, "(b t) q d -> b t q d", b=num_clips),
            query_positions,
            layout.order,
            time,
        )
        flat = rearrange(queries, "b t q d -> (b t) q d")
        tokens = self.write_back(tokens, positions, flat, query_positions)
        tokens = self.ffn(self.deform(tokens, positions, layout))
        return rearrange(tokens, "(b t) s d -> b t s d", b=num_clips), queries


@torch.no_grad()
def outside_object(queries: Tensor, tokens: Tensor, shapes: list[tuple[int, int]]) -> Tensor:
    """Mask of pixels outside the queries' objects: their product with res3 is negative.

    Args:
        queries: (N, Q, D) frame queries without positions.
        tokens: (N, S, D) pixels without positions; scales are joined as in `shapes`, the finest
            (res3) last.
        shapes: (H, W) of each scale.

    Returns:
        (N, Q, S) bool. The product is resized to the coarser scales before its sign is used. For
        a query whose product is negative everywhere, the mask is false everywhere.
    """
    height, width = shapes[-1]
    logits = torch.einsum("nqd,nsd->nqs", queries, tokens[:, -height * width :])
    logits = rearrange(logits, "n q (h w) -> n q h w", h=height)
    resized = (
        F.interpolate(logits, shape, mode="bilinear", align_corners=False) for shape in shapes
    )
    outside = torch.cat([rearrange(maps, "n q h w -> n q (h w)") for maps in resized], dim=-1) < 0
    return outside & ~outside.all(dim=-1, keepdim=True)


class DeformableAttention(nn.Module):
    """Every pixel attends to a few points around it on every scale; with residual and norm."""

    def __init__(self, *, dim: int, num_heads: int, num_points: int, num_levels: int = 3):
        super().__init__()
        self.num_heads, self.num_points, self.num_levels = num_heads, num_points, num_levels
        self.offsets = nn.Linear(dim, num_heads * num_levels * num_points * 2)
        self.weights = nn.Linear(dim, num_heads * num_levels * num_points)
        self.value = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        """Initially heads attend in all directions, 1 to P pixels away, with equal weights."""
        nn.init.zeros_(self.offsets.weight)
        angle = torch.arange(self.num_heads) * (2 * math.pi / self.num_heads)
        direction = torch.stack([angle.cos(), angle.sin()], dim=-1)
        direction = direction / direction.abs().amax(dim=-1, keepdim=True)  # on a square
        distance = torch.arange(1, self.num_points + 1)
        bias = direction[:, None, None] * distance[:, None]  # M 1 P xy
        self.offsets.bias.copy_(bias.expand(-1, self.num_levels, -1, -1).flatten())
        nn.init.zeros_(self.weights.weight)
        nn.init.zeros_(self.weights.bias)
        for linear in (self.value, self.output):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, tokens: Tensor, positions: Tensor, layout: Layout) -> Tensor:
        """Tokens (N, S, D) at `positions` (S, D) -> (N, S, D)."""
        query = tokens + positions
        axes = {"m": self.num_heads, "l": self.num_levels, "p": self.num_points}
        scores = rearrange(self.weights(query), "n s (m l p) -> n s m l p", **axes)
        value = rearrange(self.value(tokens), "n s (m c) -> n s m c", m=self.num_heads)
        # Offsets are in pixels of their level. Points and sizes are repeated for every sample, so
        # the addition runs over one long axis: this takes a third of the time of adding pairs.
        pixel = layout.pixels[:, None].expand(self.num_heads, -1, self.num_points, -1).flatten()
        locations = layout.points.repeat(1, pixel.numel() // 2) + self.offsets(query) * pixel
        locations = rearrange(locations, "n s (m l p xy) -> n s m l p xy", **axes)
        attended = ms_deform_attn_softmax(value, layout.shapes, locations, scores)
        return self.norm(tokens + self.output(attended))
