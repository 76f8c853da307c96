"""LGRNet's encoder: exchanges information between strides 8, 16 and 32, and between frames.

Sources: LGRNet (MICCAI 2024), Figure 2; the step to stride 4: Mask2Former (CVPR 2022), section 3.2.
The layers are in encoder_layer.py. By default the input projections are normalised per frame, so
features of a frame do not depend on the length of its clip. `norm_over_clip=True` normalises over
all frames, as in the public code. With `norm_over_clip`, `zero_padded_keys` and the public widths
the encoder agrees with the public one to 1e-4. `mask_frame_queries`, which the public fibroid model
uses, was written from a description and was not compared.

Letters: B clips, T frames, D width, S pixels of the three scales, Q frame queries.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from lgrseg.layers.map_size import map_size
from lgrseg.layers.position_encoding import sine_position_2d
from lgrseg.modeling.agreement import check_channels
from lgrseg.modeling.contracts import Backbone
from lgrseg.modeling.lgrnet.encoder_layer import EncoderLayer, layout_of

SCALES = ("res5", "res4", "res3")
"""Scales from coarse to fine: order of tokens, level embeddings and the decoder's memories."""
MAPS = ("res2", *SCALES)
"""Maps of the backbone that are used."""


def _channels_of_maps(channels: Mapping[str, int]) -> dict[str, int]:
    if missing := set(MAPS) - set(channels):
        raise ValueError(f"in_channels lacks {sorted(missing)}; it has {sorted(channels)}")
    return {name: channels[name] for name in MAPS}


class LGREncoder(nn.Module):
    """Turns backbone maps into maps of one width at strides 4 to 32, and frame queries.

    Args:
        in_channels: number of channels of res2 to res5; None uses those of the backbone
            (`connect`).
        dim: width D of the features.
        num_layers: number of encoder layers.
        num_heads: number of heads of every attention.
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
            the same names and shapes, but weights trained with False do not fit, because the
            order of the scan differs.

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
        """Adapt the projections to a backbone, or check that `in_channels` match it.

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
