"""Converts the names of LGRNet's public release, so that its checkpoints can be loaded.

Its file (`ckpt.pth.tar`) has the weights under "model"; lgrseg/checkpoint/files.py reads it, and
`LGRNet.translate` calls this. configs/lgrnet/public_release.py builds the model of these weights.
"""

import re

from torch import Tensor

BACKBONE = "video_backbone.image_homo.pvt_v2."
"""Prefix of the backbone; the names after it are those of PVTv2's checkpoints, as here."""
IGNORED = ("decoder.loss_module.",)
"""Prefix of buffers of the loss, which are not parameters."""
_ENCODER = r"fusion_encoder\.transformer\.encoder\."
_SCAN = r"global_hiss\.self_attn\.(\d+)\."
RENAMED = [
    # the encoder without its layers
    (r"fusion_encoder\.video_projs\.multiscale_projs\.(res\d)\.norm\.", r"encoder.norms.\1."),
    (r"fusion_encoder\.video_projs\.multiscale_projs\.", "encoder.projections."),
    (r"fusion_encoder\.adapter_1\.norm", "encoder.lateral_norm"),
    (r"fusion_encoder\.adapter_1", "encoder.lateral"),
    (r"fusion_encoder\.layer_1\.norm", "encoder.smooth_norm"),
    (r"fusion_encoder\.layer_1", "encoder.smooth"),
    (r"fusion_encoder\.transformer\.level_embed", "encoder.level_embed"),
    (_ENCODER + "frame_query_feats", "encoder.query_features"),
    (_ENCODER + "frame_query_poses", "encoder.query_positions"),
    (_ENCODER + "layers", "encoder.layers"),
    # a layer of the encoder
    (r"self_attn\.sampling_offsets", "deform.offsets"),
    (r"self_attn\.attention_weights", "deform.weights"),
    (r"self_attn\.value_proj", "deform.value"),
    (r"self_attn\.output_proj", "deform.output"),
    (r"norm1\.(weight|bias)$", r"deform.norm.\1"),
    (r"local_cnp\.self_attn\.q_linear", "local.query"),
    (r"local_cnp\.self_attn\.kv_linear", "local.key_value"),
    (r"local_cnp\.self_attn\.proj", "local.project"),
    (r"local_cnp\.norm", "local.norm"),
    (r"frame_query_cross_multiscale\.multihead_attn", "gather.attention"),
    (r"frame_query_cross_multiscale\.norm", "gather.norm"),
    (r"multiscale_cross_query\.multihead_attn", "write_back.attention"),
    (r"multiscale_cross_query\.norm", "write_back.norm"),
    (_SCAN + r"homo\.x_proj_weight", r"scan.scans.\1.x_proj"),
    (_SCAN + r"homo\.dt_projs_weight", r"scan.scans.\1.step_proj"),
    (_SCAN + r"homo\.dt_projs_bias", r"scan.scans.\1.step_bias"),
    (_SCAN + r"homo\.A_logs", r"scan.scans.\1.A_log"),
    (_SCAN + r"homo\.Ds", r"scan.scans.\1.D"),
    (_SCAN + r"homo\.conv2d", r"scan.scans.\1.conv"),
    (_SCAN + r"homo\.", r"scan.scans.\1."),
    (_SCAN + r"norm", r"scan.norms.\1"),
    (r"global_hiss\.ffn\.linear1", "scan.ffn.expand"),
    (r"global_hiss\.ffn\.linear2", "scan.ffn.reduce"),
    (r"global_hiss\.ffn\.norm", "scan.ffn.norm"),
    (r"(encoder\.layers\.\d+)\.linear1", r"\1.ffn.expand"),
    (r"(encoder\.layers\.\d+)\.linear2", r"\1.ffn.reduce"),
    (r"(encoder\.layers\.\d+)\.norm2", r"\1.ffn.norm"),
    # the decoder
    (r"decoder\.level_embeds", "decoder.level_embed"),
    (r"decoder\.cross_layers\.(\d+)\.multihead_attn", r"decoder.layers.\1.cross_attn"),
    (r"decoder\.cross_layers\.(\d+)\.norm", r"decoder.layers.\1.cross_norm"),
    (r"decoder\.self_layers\.(\d+)\.self_attn", r"decoder.layers.\1.self_attn"),
    (r"decoder\.self_layers\.(\d+)\.norm", r"decoder.layers.\1.self_norm"),
    (r"decoder\.ffn_layers\.(\d+)\.linear1", r"decoder.layers.\1.ffn.0"),
    (r"decoder\.ffn_layers\.(\d+)\.linear2", r"decoder.layers.\1.ffn.2"),
    (r"decoder\.ffn_layers\.(\d+)\.norm", r"decoder.layers.\1.ffn_norm"),
    (r"decoder\.temporal_query_feats", "decoder.query_features"),
    (r"decoder\.temporal_query_poses", "decoder.query_positions"),
    (r"decoder\.temporal_query_norm", "decoder.norm"),
    (r"decoder\.query_mask\.layers\.0", "decoder.mask_head.0"),
    (r"decoder\.query_mask\.layers\.1", "decoder.mask_head.2"),
    (r"decoder\.query_mask\.layers\.2", "decoder.mask_head.4"),
    (r"decoder\.query_class", "decoder.class_head"),
]
"""Patterns and replacements, applied in this order."""


def is_public(weights: dict[str, Tensor]) -> bool:
    """True if the names are those of the release."""
    return any(name.removeprefix("module.").startswith(BACKBONE) for name in weights)


def own_name(name: str) -> str:
    """Convert a parameter name of the release to the name in this project."""
    name = name.removeprefix("module.")
    if name.startswith(BACKBONE):
        return "backbone." + name.removeprefix(BACKBONE)
    for pattern, replacement in RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def from_public(weights: dict[str, Tensor], model_weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert weights of the release to the names and shapes of this project's model.

    For example, its 1 x 1 x 1 convolutions over clips are 1 x 1 convolutions over frames here. The
    numbers and their order are the same.

    Args:
        weights: tensors by the names of the release.
        model_weights: state dict of the model, for the shapes.
    """
    converted = {}
    for name, value in weights.items():
        if name.removeprefix("module.").startswith(IGNORED):
            continue
        name = own_name(name)
        if name in model_weights and value.numel() == model_weights[name].numel():
            value = value.reshape(model_weights[name].shape)
        converted[name] = value
    return converted
