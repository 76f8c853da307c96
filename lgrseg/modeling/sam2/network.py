"""SAM 2.1 of transformers at any input size, from random or published weights.

Source: Ravi et al., "SAM 2: Segment Anything in Images and Videos", arXiv 2408.00714. The sizes are
those of the published checkpoints (facebook/sam2.1-hiera-tiny and so on); "nano" belongs to this
project; it is small enough for training on a CPU.
"""

from typing import Any, cast

import torch
from torch import nn

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.checkpoint.pretrained import MODEL_FILE, local_file

VARIANTS: dict[str, dict[str, Any]] = {
    "nano": {
        "hidden_size": 32,
        "embed_dim_per_stage": [32, 64, 128, 256],
        "blocks_per_stage": [1, 1, 2, 1],
        "global_attention_blocks": [3],
        "window_size_per_stage": [8, 4, 8, 4],
    },
    "tiny": {
        "hidden_size": 96,
        "embed_dim_per_stage": [96, 192, 384, 768],
        "blocks_per_stage": [1, 2, 7, 2],
        "global_attention_blocks": [5, 7, 9],
        "window_size_per_stage": [8, 4, 14, 7],
    },
    "small": {
        "hidden_size": 96,
        "embed_dim_per_stage": [96, 192, 384, 768],
        "blocks_per_stage": [1, 2, 11, 2],
        "global_attention_blocks": [7, 10, 13],
        "window_size_per_stage": [8, 4, 14, 7],
    },
    "base_plus": {
        "hidden_size": 112,
        "embed_dim_per_stage": [112, 224, 448, 896],
        "num_attention_heads": 2,
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "blocks_per_stage": [2, 3, 16, 3],
        "global_attention_blocks": [12, 16, 20],
        "window_size_per_stage": [8, 4, 14, 7],
        "window_positional_embedding_background_size": [14, 14],
    },
    "large": {
        "hidden_size": 144,
        "embed_dim_per_stage": [144, 288, 576, 1152],
        "num_attention_heads": 2,
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "blocks_per_stage": [2, 6, 36, 4],
        "global_attention_blocks": [23, 33, 43],
        "window_size_per_stage": [8, 4, 16, 8],
    },
}
"""Settings of the image encoder (Hiera)."""
NANO_WIDTH, WIDTH = 128, 256
"""Width of all parts after the image encoder."""


def build_sam2(*, variant: str = "tiny", size: int = 1024, weights: str | None = None) -> nn.Module:
    """Build a Sam2VideoModel.

    Args:
        variant: size of the model, a key of `VARIANTS`.
        size: height and width of frames in pixels, a multiple of 64; 1024 for published weights.
        weights: folder with model.safetensors, or a hub id; None means random weights. Fine-tuned
            checkpoints with the same names (MedSAM-2) can be loaded too.

    Raises:
        ValueError: the variant does not exist, or the size is not a multiple of 64.
        FileNotFoundError: the weights do not exist, or the hub id cannot be downloaded.
        CheckpointError: the weights belong to another variant, are for images only, or have other
            names.
    """
    from transformers import Sam2VideoModel

    config = sam2_config(variant, size)
    if weights is None:
        return start_from_random(Sam2VideoModel(config))
    file = local_file(weights)
    if file.name != MODEL_FILE:
        raise CheckpointError(
            f"{weights}: the SAM 2.1 of transformers is read from a {MODEL_FILE}, and weights of "
            "other authors have other names of tensors: give a hub id such as "
            f"facebook/sam2.1-hiera-tiny, or a folder with its {MODEL_FILE}"
        )
    loaded = Sam2VideoModel.from_pretrained(
        file.parent.as_posix(),
        config=config,
        use_safetensors=True,
        dtype=torch.float32,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # they are reported below
    )
    # With output_loading_info it returns a pair.
    model, report = cast(tuple[Sam2VideoModel, dict[str, list]], loaded)
    wrong = {
        "not in the file": report["missing_keys"],
        "of another shape": [entry[0] for entry in report["mismatched_keys"]],
    }
    if any(wrong.values()):
        raise CheckpointError(
            f"{weights} is not a SAM 2.1 video model {variant!r} with the names of transformers: "
            + "; ".join(
                f"{len(n)} tensors {what} ({sorted(n)[0]}, ...)" for what, n in wrong.items() if n
            )
            + f". Choose the variant of these weights ({', '.join(VARIANTS)}), or other weights"
        )
    return model


def start_from_random(model: nn.Module) -> nn.Module:
    """Initialise the model with PyTorch's default random weights, as the authors' code does.

    transformers uses a deviation of 0.02 for all weights. Signals then vanish in the narrow layers
    of the mask decoder: a box has no effect, and the model does not learn.
    """
    for module in model.modules():
        reset = getattr(module, "reset_parameters", None)
        if reset is not None:
            reset()
    # Initially objects are predicted as present, because absent objects have no mask to remember.
    bias = model.get_parameter("mask_decoder.pred_obj_score_head.proj_out.bias")
    nn.init.constant_(bias, 3.0)
    return model


def sam2_config(variant: str, size: int):
    """Config of a variant for a frame size; see `build_sam2`."""
    from transformers import Sam2HieraDetConfig, Sam2VideoConfig, Sam2VisionConfig

    if variant not in VARIANTS:
        raise ValueError(
            f"there is no SAM 2 variant {variant!r}; available are: {', '.join(VARIANTS)}"
        )
    if size < 64 or size % 64:
        raise ValueError(f"size must be a multiple of 64, not {size}")
    width = NANO_WIDTH if variant == "nano" else WIDTH
    encoder = Sam2HieraDetConfig(image_size=[size, size], **VARIANTS[variant])
    maps = [[size // stride] * 2 for stride in (4, 8, 16)]
    return Sam2VideoConfig(
        image_size=size,
        # The small model predicts one mask; the others predict several candidates when tracking,
        # and choose the one with the highest predicted IoU.
        multimask_output_in_sam=variant != "nano",
        vision_config=Sam2VisionConfig(
            backbone_config=encoder,
            backbone_channel_list=VARIANTS[variant]["embed_dim_per_stage"][::-1],
            backbone_feature_sizes=maps,
            fpn_hidden_size=width,
        ),
        prompt_encoder_config={"hidden_size": width, "image_size": size},
        mask_decoder_config={
            "hidden_size": width,
            "iou_head_hidden_dim": width,
            "mlp_dim": 8 * width,
            "dynamic_multimask_via_stability": variant != "nano",
        },
        # Dropout would use random numbers of the batch, not of the clip.
        memory_attention_dropout=0.0,
        memory_attention_rope_dropout=0.0,
        memory_attention_hidden_size=width,
        memory_attention_feed_forward_hidden_size=8 * width,
        memory_attention_rope_feat_sizes=maps[-1],
        memory_encoder_hidden_size=width,
        mask_downsampler_embed_dim=width,
        memory_fuser_embed_dim=width,
        memory_fuser_intermediate_dim=4 * width,
    )
