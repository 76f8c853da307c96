"""LGRNet's encoder: strides 8, 16 and 32 exchange with each other and with other frames.

Sources: LGRNet (MICCAI 2024), Figure 2; deformable attention: Deformable DETR (ICLR 2021); the step
to stride 4: Mask2Former (CVPR 2022), section 3.2. By default the norms of the input projections are
per frame, so a frame's features do not depend on the length of its clip
(`norm_over_clip=True`: over all frames, as in the public code). With `norm_over_clip`,
`zero_padded_keys` and the public widths the encoder agrees with the public one to 1e-4.
`mask_frame_queries`, which its fibroid model uses, follows a description and was not compared.

Letters: B clips, T frames, D width, S pixels of the three scales, Q frame queries, M heads.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from lgrseg.layers.clip_batch import to_device
from lgrseg.layers.map_size import map_size
from lgrseg.layers.position_encoding import sine_position_2d
from lgrseg.modeling.agreement import check_channels
from lgrseg.modeling.contracts import Backbone
from lgrseg.modeling.lgrnet.temporal import (
    CrossAttention,
    CyclicNeighborhoodPropagation,
    FeedForward,
    QueryScan,
)
from lgrseg.ops import hilbert_order, ms_deform_attn_softmax, reference_points

SCALES = ("res5", "res4", "res3")
"""Scales from coarse to fine: order of tokens, level embeddings and the decoder's memories."""


MAPS = ("res2", *SCALES)
"""Maps of the backbone that are used."""


class Layout(NamedTuple):
    """Positions of the tokens of a clip, the same for all layers."""

    shapes: list[tuple[int, int]]
    """(H, W) of each scale."""
    points: Tensor
    """(S, 2) centre of every pixel as (x, y), 0 to 1."""
    pixels: Tensor
    """(L, 2) width and height of a pixel of every scale, as parts of the map."""
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


def _channels_of_maps(channels: Mapping[str, int]) -> dict[str, int]:
    if missing := set(MAPS) - set(channels):
        raise ValueError(f"in_channels lacks {sorted(missing)}; it has {sorted(channels)}")
    return {name: channels[name] for name in MAPS}


class LGREncoder(nn.Module):
    """Turns backbone maps into maps of one width at strides 4 to 32, and frame queries.

    Args:
        in_channels: number of channels of res2 to res5; None takes the backbone's (`connect`).
        dim: width D of the features.
        num_layers: number of encoder layers.
        num_heads: number M of heads of every attention.
        num_points: number of points of deformable attention per head and scale.
        kernel_size: side of the neighbourhood in the previous frame, odd.
        dilation: distance between the pixels of a neighbourhood.
        num_frame_queries: number Q of queries per frame.
        num_scans: number of Hilbert scans in a layer.
        state_dim: state width N of the scan.
        pixel_ffn_dim: hidden width of the FFN over pixels, the largest cost of the encoder.
        query_ffn_dim: hidden width of the FFN over frame queries.
        norm_groups: number of groups of the GroupNorms.
        norm_over_clip: True if projected maps are normalised over all frames (public code), False
            for every frame separately.
        zero_padded_keys: True if padding is part of the softmax on maps smaller than the
            neighbourhood (public code).
        mask_frame_queries: True if frame queries attend only inside their object (see
            `outside_object`; the public fibroid setting).
        cyclic: True if the first frame attends to the last one (see
            `CyclicNeighborhoodPropagation`).
        causal: True if no frame depends on a later one; this also disables `cyclic`. Weights have
            the same names and shapes, but weights trained without it fit another scan.

    Raises:
        ValueError: a scale has no channels, the width is not divisible for heads or positions, or a
            causal encoder has norms over the clip.
    """

    def __init__(
        self,
        *,
        in_channels: dict[str, int] | None = None,
        dim: int = 64,
        num_layers: int = 3,
        num_heads: int = 8,
        num_points: int = 4,
        kernel_size: int = 5,
        dilation: int = 1,
        num_frame_queries: int = 20,
        num_scans: int = 3,
        state_dim: int = 16,
        pixel_ffn_dim: int = 1024,
        query_ffn_dim: int = 2048,
        norm_groups: int = 32,
        norm_over_clip: bool = False,
        zero_padded_keys: bool = False,
        mask_frame_queries: bool = False,
        cyclic: bool = True,
        causal: bool = False,
    ):
        """See the class for the arguments."""
        super().__init__()
        self.in_channels = None if in_channels is None else _channels_of_maps(in_channels)
        if dim % num_heads or dim % 4:
            raise ValueError(
                f"dim={dim} must be a multiple of num_heads={num_heads} and, for sine and cosine "
                "of row and column, of 4"
            )
        if causal and norm_over_clip:
            raise ValueError(
                "with causal=True no frame depends on a later one, but norm_over_clip=True "
                "normalises over the whole clip: set one of them to false"
            )
        self.norm_over_clip, self.causal = norm_over_clip, causal
        channels = self.in_channels or dict.fromkeys(MAPS, 1)  # 1: until `connect`
        self.projections = nn.ModuleDict(
            {name: nn.Conv2d(channels[name], dim, 1, bias=False) for name in SCALES}
        )
        self.norms = nn.ModuleDict({name: nn.GroupNorm(norm_groups, dim) for name in SCALES})
        self.level_embed = nn.Parameter(torch.empty(len(SCALES), dim).normal_())
        self.query_features = nn.Embedding(num_frame_queries, dim)
        self.query_positions = nn.Embedding(num_frame_queries, dim)
        self.layers = nn.ModuleList(
            EncoderLayer(
                dim=dim,
                num_heads=num_heads,
                num_points=num_points,
                kernel_size=kernel_size,
                dilation=dilation,
                num_scans=num_scans,
                state_dim=state_dim,
                pixel_ffn_dim=pixel_ffn_dim,
                query_ffn_dim=query_ffn_dim,
                zero_padded_keys=zero_padded_keys,
                mask_frame_queries=mask_frame_queries,
                cyclic=cyclic and not causal,
                causal=causal,
            )
            for _ in range(num_layers)
        )
        self.lateral = nn.Conv2d(channels["res2"], dim, 1, bias=False)
        self.lateral_norm = nn.GroupNorm(norm_groups, dim)
        self.smooth = nn.Conv2d(dim, dim, 3, padding=1, bias=False)
        self.smooth_norm = nn.GroupNorm(norm_groups, dim)

    def connect(self, backbone: nn.Module) -> None:
        """Fit the projections to a backbone, or check that `in_channels` match it.

        Raises:
            ValueError: maps are missing, or `in_channels` differ from the backbone's channels.
        """
        if self.in_channels is not None:
            check_channels("encoder", self.in_channels, backbone)
            return
        if not isinstance(backbone, Backbone):
            raise ValueError(
                f"{type(backbone).__name__} has no attribute `channels`: set encoder.in_channels"
            )
        self.in_channels = _channels_of_maps(backbone.channels)
        dim = self.lateral.out_channels
        for name in SCALES:
            self.projections[name] = nn.Conv2d(self.in_channels[name], dim, 1, bias=False)
        self.lateral = nn.Conv2d(self.in_channels["res2"], dim, 1, bias=False)

    def forward(self, features: dict[str, Tensor], time: Tensor | None = None) -> dict[str, Tensor]:
        """Encode one batch of clips.

        Args:
            features: maps "res2" to "res5" of the backbone, (B, T, C, h, w) each, at strides 4 to
                32.
            time: (B or 1, T, D) encoding of the frames' times, see `QueryScan`; None encodes their
                index in the clip.

        Returns:
            "mask_features" (B, T, D, H/4, W/4), not negative; "res3", "res4", "res5" (B, T, D, h,
            w) and "frame_queries" (B, T, Q, D).
        """
        num_clips, num_frames = features["res2"].shape[:2]
        maps = [self._project(name, features[name]) for name in SCALES]
        shapes = [map_size(m) for m in maps]
        tokens = torch.cat([rearrange(m, "b t d h w -> b t (h w) d") for m in maps], dim=2)
        positions = self._positions(shapes).to(tokens)  # S D
        layout = layout_of(
            shapes, num_frames, self.query_features.num_embeddings, device=tokens.device
        )
        queries = self.query_features.weight.expand(num_clips, num_frames, -1, -1)
        for layer in self.layers:
            tokens, queries = layer(
                tokens, positions, queries, self.query_positions.weight, layout, time
            )
        sizes = [height * width for height, width in shapes]
        encoded = {
            name: rearrange(part, "b t (h w) d -> b t d h w", h=shape[0])
            for name, part, shape in zip(SCALES, tokens.split(sizes, dim=2), shapes, strict=True)
        }
        encoded["mask_features"] = self._to_stride_4(features["res2"], encoded["res3"])
        encoded["frame_queries"] = queries
        return encoded

    def _project(self, name: str, feature: Tensor) -> Tensor:
        num_clips = len(feature)
        projected = self.projections[name](rearrange(feature, "b t c h w -> (b t) c h w"))
        if self.norm_over_clip:
            projected = rearrange(projected, "(b t) d h w -> b d t h w", b=num_clips)
            return rearrange(self.norms[name](projected), "b d t h w -> b t d h w")
        return rearrange(self.norms[name](projected), "(b t) d h w -> b t d h w", b=num_clips)

    def _positions(self, shapes: list[tuple[int, int]]) -> Tensor:
        dim, device = self.level_embed.shape[1], self.level_embed.device
        return torch.cat(
            [
                rearrange(sine_position_2d(h, w, dim, device), "d h w -> (h w) d") + embed
                for (h, w), embed in zip(shapes, self.level_embed, strict=True)
            ]
        )

    def _to_stride_4(self, fine: Tensor, coarse: Tensor) -> Tensor:
        num_clips = len(fine)
        lateral = self.lateral_norm(self.lateral(rearrange(fine, "b t c h w -> (b t) c h w")))
        coarse = rearrange(coarse, "b t d h w -> (b t) d h w")
        joined = lateral + F.interpolate(
            coarse, lateral.shape[-2:], mode="bilinear", align_corners=False
        )
        smoothed = F.relu(self.smooth_norm(self.smooth(joined)))
        return rearrange(smoothed, "(b t) d h w -> b t d h w", b=num_clips)


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

    def forward(self, tokens, positions, queries, query_positions, layout, time=None):
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
        (N, Q, S) bool. The product is resized to the coarser scales before its sign is taken. For
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
    """Every pixel attends to a few points around it on every scale; residual, then norm."""

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
