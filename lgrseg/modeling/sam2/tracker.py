"""SAM 2 for video: tracks objects from boxes frame by frame with bounded memory.

Source: Ravi et al., "SAM 2: Segment Anything in Images and Videos", arXiv 2408.00714, section 4 and
appendix D; the parts are those of transformers' Sam2VideoModel, so its checkpoints can be loaded.

Differences from the public predictor and from transformers' session:
    * the objects of a frame are computed as a batch, and the picture is encoded once for all;
    * only frames that the memory attention can use are stored: the first prompted frame, the last
      few prompted frames, the next prompted frame, and the last few frames without a prompt.
      Memory use does not grow with the clip;
    * temporal distances are encoded as in transformers' streaming mode, which does not depend on
      the length of the clip;
    * it can be trained.

Letters: O objects, C width of the features (256), M of the memory (64), S pixels at stride 16,
J mask candidates of an object, s side of a mask.
"""

from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from lgrseg.modeling.sam2.records import (
    NO_OBJECT,
    Embedding,
    FrameMasks,
    Memory,
    ObjectMemory,
    together,
)

if TYPE_CHECKING:
    from transformers import Sam2VideoModel

TOP_LEFT, BOTTOM_RIGHT = 2, 3
"""SAM 2's point labels of the two corners of a box."""
NOT_A_POINT = -1


class Sam2Tracker(nn.Module):
    """Segments frames of `size` x `size` from boxes and from a memory of earlier frames.

    Call `embed` for some frames. Then for each frame call `prompt` for objects with a box and
    `follow` for the others; both return masks and a memory to store with `remember`.
    """

    def __init__(self, sam: nn.Module, *, max_prompted: int = 4):
        """Wrap a SAM 2 model.

        Args:
            sam: Sam2VideoModel of transformers.
            max_prompted: number of prompted frames in the memory of an object: the first one and
                the nearest ones in time; with 1, only the nearest one.

        Raises:
            ValueError: `max_prompted` is below 1.
        """
        super().__init__()
        if max_prompted < 1:
            raise ValueError(f"max_prompted must be 1 or more, not {max_prompted}")
        self.sam = cast("Sam2VideoModel", sam)
        self.max_prompted = max_prompted

    @property
    def size(self) -> int:
        """Height and width of the input frames in pixels."""
        size = self.sam.image_size
        assert isinstance(size, int)  # as `sam2_config` sets it
        return size

    @property
    def max_recent(self) -> int:
        """Largest number of frames without a prompt in the memory attention."""
        pointers = self.sam.config.max_object_pointers_in_encoder - 1
        return max(self.sam.num_maskmem - 1, pointers)

    @property
    def num_candidates(self) -> int:
        """Number J of mask candidates of an object; 1 if there is only one mask."""
        several = self.sam._use_multimask(False, None)
        return self.sam.mask_decoder.num_multimask_outputs if several else 1

    def embed(self, frames: Tensor) -> list[Embedding]:
        """Encode frames (N, 3, size, size), normalised for SAM 2, as one batch."""
        image_features = self.sam.get_image_features(frames, return_dict=True)
        position = image_features.fpn_position_encoding[-1]
        return [
            Embedding(
                [level[:, n : n + 1] for level in image_features.fpn_hidden_states], position[:, :1]
            )
            for n in range(len(frames))
        ]

    def prompt(self, embedding: Embedding, boxes: Tensor, frame: int) -> tuple[FrameMasks, Memory]:
        """Segment objects from boxes on this frame.

        Args:
            embedding: encoded frame.
            boxes: (O, 4) boxes as (x0, y0, x1, y1) in pixels of the input. In SAM 2, 0 is the
                centre of the first pixel, so the frame's edge is at -0.5.
            frame: index of the frame.
        """
        features = embedding.features[-1] + self.sam.no_memory_embedding
        features = features.expand(-1, len(boxes), -1)
        labels = torch.tensor([TOP_LEFT, BOTTOM_RIGHT], dtype=torch.int32, device=boxes.device)
        points = boxes.reshape(-1, 1, 2, 2)
        return self._decode(
            embedding, features, frame, points=points, labels=labels.expand(len(boxes), 1, -1)
        )

    def follow(
        self, embedding: Embedding, objects: list[ObjectMemory], frame: int
    ) -> tuple[FrameMasks, Memory]:
        """Segment objects without a prompt; the frames in their memories must be the same."""
        assert len({one.frames for one in objects}) == 1, [one.frames for one in objects]
        num_objects = len(objects)
        memory, position, num_pointers = self._remembered(objects, frame)
        features = self.sam.memory_attention(
            current_vision_features=embedding.features[-1].expand(-1, num_objects, -1),
            current_vision_position_embeddings=embedding.position.expand(-1, num_objects, -1),
            memory=memory,
            memory_posision_embeddings=position,
            num_object_pointer_tokens=num_pointers,
        )
        return self._decode(embedding, rearrange(features, "1 o s c -> s o c"), frame)

    def remember(self, one: ObjectMemory, memory: Memory, *, prompted: bool) -> None:
        """Add a frame to the memory of an object, and remove frames that are no longer used."""
        if prompted:
            one.prompted = [*one.prompted, memory]
            if len(one.prompted) > self.max_prompted:
                # Remove the second one: the first defines the object, the others are the nearest.
                del one.prompted[1 if self.max_prompted > 1 else 0]
            one.ahead = [later for later in one.ahead if later.frame != memory.frame]
        else:
            one.recent = [*one.recent, memory][-self.max_recent :]

    def _remembered(self, objects: list[ObjectMemory], frame: int) -> tuple[Tensor, Tensor, int]:
        """Memory tokens (tokens, O, M), their positions, and the number of pointers among them.

        Distances in time are absolute, because a clip may be tracked in either direction.
        """
        sam = self.sam
        prompted, recent, ahead = (
            [together(list(same)) for same in zip(*memories, strict=True)]
            for memories in zip(*((o.prompted, o.recent, o.ahead) for o in objects), strict=True)
        )
        by_distance = {abs(frame - memory.frame): memory for memory in recent}
        distances = [d for d in range(sam.num_maskmem - 1, 0, -1) if d in by_distance]
        spatial = [(0, m) for m in prompted + ahead] + [(d, by_distance[d]) for d in distances]
        tokens = [memory.features for _, memory in spatial]
        positions = [
            memory.position + sam.memory_temporal_positional_encoding[distance - 1]
            for distance, memory in spatial
        ]
        most = sam.config.max_object_pointers_in_encoder
        pointers = [(abs(frame - memory.frame), memory.pointer) for memory in prompted]
        pointers += [(d, m.pointer) for d, m in sorted(by_distance.items()) if d < most]
        pointer_tokens, pointer_positions = sam._process_object_pointers(
            [distance for distance, _ in pointers],
            [pointer for _, pointer in pointers],
            most,
            len(objects),
            sam.hidden_dim,
            tokens[0].device,
        )
        return (
            torch.cat([*tokens, pointer_tokens]),
            torch.cat([*positions, pointer_positions]),
            len(pointer_tokens),
        )

    def _decode(
        self,
        embedding: Embedding,
        features: Tensor,
        frame: int,
        *,
        points: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> tuple[FrameMasks, Memory]:
        """Decode masks of O objects from features (S, O, C), and compute their memory."""
        sam, num_objects = self.sam, features.shape[1]
        sizes = sam.backbone_feature_sizes
        maps = [
            rearrange(level, "(h w) 1 c -> 1 c h w", h=size[0]).expand(num_objects, -1, -1, -1)
            for level, size in zip(embedding.features[:-1], sizes[:-1], strict=True)
        ]
        # A box is two points and defines one object, so one mask is requested.
        prompted = points is not None
        multimask = sam._use_multimask(prompted, {"point_labels": labels} if prompted else None)
        if not prompted:
            points = features.new_zeros(num_objects, 1, 1, 2)
            labels = torch.full((num_objects, 1, 1), NOT_A_POINT, device=features.device)
        sparse, dense = sam.prompt_encoder(
            input_points=points, input_labels=labels, input_boxes=None, input_masks=None
        )
        image_positions = sam.get_image_wide_positional_embeddings()
        masks, ious, tokens, presence_logits = sam.mask_decoder(
            image_embeddings=rearrange(features, "(h w) o c -> o c h w", h=sizes[-1][0]),
            image_positional_embeddings=image_positions.expand(num_objects, -1, -1, -1),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
            high_resolution_features=maps,
        )  # O 1 candidates ...
        best = ious[:, 0].argmax(dim=-1)
        each = torch.arange(num_objects, device=best.device)
        is_there = presence_logits[:, 0] > 0  # O 1
        logits = masks[each, 0, best].where(is_there[..., None], NO_OBJECT)
        pointer = sam.object_pointer_proj(tokens[each, 0, best if tokens.shape[2] > 1 else 0])
        pointer = torch.where(is_there, pointer, sam.no_object_pointer)
        large = F.interpolate(
            logits[:, None].float(), (self.size, self.size), mode="bilinear", align_corners=False
        )
        remembered, positions = sam._encode_new_memory(
            current_vision_feats=embedding.features[-1].expand(-1, num_objects, -1),
            pred_masks_high_res=large.to(logits.dtype),
            object_score_logits=presence_logits,
            is_mask_from_pts=prompted,
        )
        # transformers annotates a list of position encodings, but returns one tensor.
        position = cast(Tensor, positions)
        memory = Memory(frame, remembered.to(features.dtype), position, pointer)
        candidates = masks[:, 0].expand(-1, self.num_candidates, -1, -1)
        expected = ious[:, 0].expand(-1, self.num_candidates)
        return FrameMasks(logits, candidates, expected, presence_logits[:, 0, 0]), memory
