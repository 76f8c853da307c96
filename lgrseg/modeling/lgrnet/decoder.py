"""Mask2Former's decoder for clips: queries attend to the clip inside their predicted masks.

Source: Cheng et al., "Masked-attention Mask Transformer for Universal Image Segmentation",
CVPR 2022, section 3.2; its video form, arXiv 2112.10764; LGRNet (MICCAI 2024) uses the same.

Differences from the public code:
    * the attention mask is computed from the logits at stride 4, not from full-size masks;
    * a pixel is attended if its mask probability is at least 0.5 (the public LGRNet compares the
      logit with 0.5; set `attention_threshold` for this).

A causal decoder has separate queries for every frame: those of frame t attend to frames up to t,
and their outputs are for frame t only.

Letters: B clips, T frames, Q queries, D width, M heads, S = T * h * w memory tokens, K classes,
G sets of queries: 1, or T in a causal decoder.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Tensor, nn

from lgrseg.layers.map_size import map_size
from lgrseg.layers.numerics import at_least_float32
from lgrseg.layers.position_encoding import sine_position_1d, sine_position_2d
from lgrseg.modeling.lgrnet.decoder_layer import DecoderLayer
from lgrseg.structures.boxes import draw_boxes


@dataclass
class DecoderOutput:
    """Outputs of the decoder after one of its layers."""

    class_logits: Tensor
    """(B, Q, K + 1) class logits; the last class is "no object"."""
    mask_logits: Tensor
    """(B, Q, T, H/4, W/4) mask logits; 0 is the boundary."""
    boxes: Tensor | None = None
    """(B, Q, T, 4) as (cx, cy, w, h), fractions of the map, 0 to 1; None without a box head."""
    objectness: Tensor | None = None
    """(B, Q, T) logits of "the object is in the frame"; None without a box head."""
    frame_class_logits: Tensor | None = None
    """(B, T, Q, K + 1) class logits of a causal decoder at each frame; their mean over frames is
    `class_logits`. None if not causal."""


def class_maps(output: DecoderOutput) -> Tensor:
    """Probability of each class at each pixel, (B, K, T, H/4, W/4), 0 to 1.

    It is the sum over queries of P(query is of the class) x P(pixel is of the query), at most 1, as
    in MaskFormer (NeurIPS 2021), section 3.4.
    """
    classes = at_least_float32(output.class_logits).softmax(dim=-1)[..., :-1]
    masks = at_least_float32(output.mask_logits).sigmoid()
    return einsum(classes, masks, "b q k, b q t h w -> b k t h w").clamp(max=1)


class MaskedDecoder(nn.Module):
    """Refines queries in layers that attend to the encoder's maps at strides 32, 16, 8 in turn."""

    box_head: nn.Module | None

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int = 64,
        num_queries: int = 10,
        num_layers: int = 3,
        num_heads: int = 8,
        ffn_dim: int = 1024,
        memory_scales: tuple[str, ...] = ("res5", "res4", "res3"),
        attention_threshold: float = 0.0,
        box_head: nn.Module | None = None,
        causal: bool = False,
    ):
        """Make a decoder. If there is a `box_head`, it also predicts boxes.

        `attention_threshold` is a mask logit. With `causal`, outputs of a frame do not depend on
        later frames. Names and shapes of the weights are the same.
        """
        super().__init__()
        self.causal = causal
        self.num_classes = num_classes
        self.num_heads = num_heads
        self.memory_scales = tuple(memory_scales)
        self.attention_threshold = attention_threshold
        self.num_queries = num_queries
        self.query_features = nn.Embedding(num_queries, dim)
        self.query_positions = nn.Embedding(num_queries, dim)
        self.level_embed = nn.Embedding(len(self.memory_scales), dim)
        self.layers = nn.ModuleList(
            DecoderLayer(dim=dim, num_heads=num_heads, ffn_dim=ffn_dim) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(dim)
        self.box_head = box_head
        self.class_head = nn.Linear(dim, num_classes + 1)
        self.mask_head = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim)
        )

    def forward(
        self, features: dict[str, Tensor], time: Tensor | None = None
    ) -> list[DecoderOutput]:
        """Decode one batch of clips.

        Args:
            features: maps of the encoder: "mask_features" (B, T, D, H/4, W/4) and every name in
                `memory_scales` as (B, T, D, h, w).
            time: (B or 1, T, D) encoding of the frames' times; None encodes their index in the
                clip.

        Returns:
            The outputs: one from the learned queries before the first layer, then one per layer.
        """
        mask_features = features["mask_features"]
        num_clips, num_frames, dim = mask_features.shape[:3]
        if time is None:
            time = sine_position_1d(num_frames, dim, mask_features.device)[None]
        memories = [
            self._memory(features[name], level, time)
            for level, name in enumerate(self.memory_scales)
        ]
        times = num_frames if self.causal else 1
        queries, positions = (
            table.weight.repeat(times, 1).expand(num_clips, -1, -1)  # B (G Q) D
            for table in (self.query_features, self.query_positions)
        )
        outputs = [self._answer(queries, features)]
        for index, layer in enumerate(self.layers):
            level = index % len(memories)
            memory, memory_position = memories[level]
            size = map_size(features[self.memory_scales[level]])
            blocked = self._blocked(outputs[-1].mask_logits, size)
            queries = layer(queries, positions, memory, memory_position, blocked, times=times)
            outputs.append(self._answer(queries, features))
        return outputs

    def _memory(self, feature: Tensor, level: int, time: Tensor) -> tuple[Tensor, Tensor]:
        dim, height, width = feature.shape[2:]
        memory = rearrange(feature, "b t d h w -> b (t h w) d") + self.level_embed.weight[level]
        plane = rearrange(sine_position_2d(height, width, dim, feature.device), "d h w -> (h w) d")
        position = (plane + time[:, :, None]).to(feature)  # B T (h w) D
        return memory, rearrange(position, "b t s d -> b (t s) d")

    def _answer(self, queries: Tensor, features: dict[str, Tensor]) -> DecoderOutput:
        """Outputs of queries (B, G Q, D); in a causal decoder there is one set per frame."""
        if not self.causal:
            return self._predict(queries, features)
        num_frames = features["mask_features"].shape[1]
        single_frames = {  # every frame as a separate clip
            name: rearrange(maps, "b t d h w -> (b t) 1 d h w")
            for name, maps in features.items()
            if maps.dim() == 5
        }
        of_frames = self._predict(
            rearrange(queries, "b (t q) d -> (b t) q d", t=num_frames), single_frames
        )

        def joined(values: Tensor) -> Tensor:
            return rearrange(values, "(b t) q 1 ... -> b q t ...", t=num_frames)

        boxes, objectness = of_frames.boxes, of_frames.objectness
        class_logits = rearrange(of_frames.class_logits, "(b t) q k -> b t q k", t=num_frames)
        return DecoderOutput(
            class_logits=class_logits.mean(dim=1),
            mask_logits=joined(of_frames.mask_logits),
            boxes=None if boxes is None else joined(boxes),
            objectness=None if objectness is None else joined(objectness),
            frame_class_logits=class_logits,
        )

    def _predict(self, queries: Tensor, features: dict[str, Tensor]) -> DecoderOutput:
        normed = self.norm(queries)
        masks = einsum(
            self.mask_head(normed), features["mask_features"], "b q d, b t d h w -> b q t h w"
        )
        boxes = self.box_head(normed, features) if self.box_head is not None else ()
        return DecoderOutput(self.class_head(normed), masks, *boxes)

    def _blocked(self, mask_logits: Tensor, size: tuple[int, int]) -> Tensor:
        """(B * M, G Q, S) bool mask: true where a query must not attend."""
        with torch.no_grad():
            masks = F.interpolate(
                mask_logits.flatten(0, 1), size, mode="bilinear", align_corners=False
            )
            outside = rearrange(
                masks < self.attention_threshold, "(b q) t h w -> b 1 q (t h w)", b=len(mask_logits)
            )
            later = self._later(mask_logits.shape[2], size[0] * size[1], mask_logits.device)
            blocked = outside | later
            # A query without any pixel attends to all pixels; otherwise its softmax would be NaN.
            blocked = torch.where(blocked.all(dim=-1, keepdim=True), later, blocked)
            blocked = rearrange(blocked, "b g q s -> b (g q) s")
            return blocked.repeat_interleave(self.num_heads, dim=0)

    def _later(self, num_frames: int, num_pixels: int, device: torch.device) -> Tensor:
        """(G, 1, S) bool mask: true for tokens of later frames."""
        if not self.causal:
            return torch.zeros(1, 1, 1, dtype=torch.bool, device=device)
        later = torch.ones(num_frames, num_frames, dtype=torch.bool, device=device).triu(1)
        return later.repeat_interleave(num_pixels, dim=1)[:, None]


class BoxDecoder(MaskedDecoder):
    """Decoder of a model that only predicts boxes; the mask is the inside of the box.

    Queries attend to the inside of their predicted boxes.
    """

    box_head: nn.Module

    def __init__(
        self,
        *,
        box_head: nn.Module,
        num_classes: int,
        dim: int = 64,
        num_queries: int = 10,
        num_layers: int = 3,
        num_heads: int = 8,
        ffn_dim: int = 1024,
        memory_scales: tuple[str, ...] = ("res5", "res4", "res3"),
        attention_threshold: float = 0.0,
        causal: bool = False,
    ):
        """Like MaskedDecoder, with a required box head."""
        super().__init__(
            num_classes=num_classes,
            dim=dim,
            num_queries=num_queries,
            num_layers=num_layers,
            num_heads=num_heads,
            ffn_dim=ffn_dim,
            memory_scales=memory_scales,
            attention_threshold=attention_threshold,
            box_head=box_head,
            causal=causal,
        )
        del self.mask_head

    def _predict(self, queries: Tensor, features: dict[str, Tensor]) -> DecoderOutput:
        normed = self.norm(queries)
        boxes, objectness = self.box_head(normed, features)
        masks = draw_boxes(boxes, map_size(features["mask_features"]))
        return DecoderOutput(self.class_head(normed), masks, boxes, objectness)
