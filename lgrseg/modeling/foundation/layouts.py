"""Layouts of published weights: how names of their tensors are converted to names in this project.

There are three steps. Tensors of the encoder are selected (`Layout.pick`). The authors' names are
converted to those of the Hugging Face hub (`Layout.to_hub`); names from the hub are unchanged. Hub
names that differ in the installed version of transformers are converted to the model's names
(`to_module`). Names without a rule are unchanged. The loader's table shows them, and also the
tensors that were not selected.

The authors' names are those of their repositories: facebookresearch/dinov2, dinov3, hiera, mae and
sam2, openmedlab/USFM, torchvision's ResNet (also in tsb0601/EMP-SSL).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from lgrseg.modeling.foundation.names import (
    Rules,
    Tensors,
    only_below,
    renamed,
    split_qkv,
    without,
)


@dataclass(frozen=True)
class Layout:
    """Layout of the published weights of one type of encoder."""

    to_hub: Callable[[Tensors, Any], Tensors]
    """Function from (tensors of a file, the model's config) to all tensors with hub names."""
    pick: Callable[[Tensors], Tensors] = dict
    """Function that selects the encoder's tensors and removes their prefix. It is applied to the
    tensors of a file, and again to the result of `to_hub`."""
    ignore: tuple[str, ...] = ()
    """Prefixes of names that no encoder uses, such as heads and decoders."""
    num_class_positions: int = 0
    """Number of rows of the position embeddings before those of the patches."""
    may_lack: str | None = None
    """Regular expression of the model's tensors that published files may lack."""

    def needs(self, name: str) -> bool:
        """True if a file must have this tensor of the model."""
        return self.may_lack is None or not re.search(self.may_lack, name)


EMBEDDINGS: Rules = (
    (r"^(cls_token|mask_token|register_tokens)$", r"embeddings.\1"),
    (r"^pos_embed$", "embeddings.position_embeddings"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
)
VIT_BLOCKS: Rules = (
    (r"^blocks\.(\d+)\.norm1\.", r"encoder.layer.\1.layernorm_before."),
    (r"^blocks\.(\d+)\.norm2\.", r"encoder.layer.\1.layernorm_after."),
    (r"^blocks\.(\d+)\.attn\.qkv\.", r"encoder.layer.\1.attention.attention.qkv."),
    (r"^blocks\.(\d+)\.attn\.proj\.", r"encoder.layer.\1.attention.output.dense."),
    (r"^blocks\.(\d+)\.mlp\.fc1\.", r"encoder.layer.\1.intermediate.dense."),
    (r"^blocks\.(\d+)\.mlp\.fc2\.", r"encoder.layer.\1.output.dense."),
)
QUERY_KEY_VALUE = ("query", "key", "value")


def _dinov2(tensors: Tensors, config: Any) -> Tensors:
    rules = (
        *EMBEDDINGS,
        (r"^blocks\.\d+\.(\d+)\.", r"blocks.\1."),  # training checkpoints have chunks of blocks
        (r"^blocks\.(\d+)\.attn\.qkv\.", r"encoder.layer.\1.attention.attention.qkv."),
        (r"^blocks\.(\d+)\.attn\.proj\.", r"encoder.layer.\1.attention.output.dense."),
        (r"^blocks\.(\d+)\.ls([12])\.gamma$", r"encoder.layer.\1.layer_scale\2.lambda1"),
        (r"^blocks\.", "encoder.layer."),
        (r"^norm\.", "layernorm."),
    )
    return split_qkv(renamed(tensors, rules), QUERY_KEY_VALUE)


def _pick_dinov3_vit(tensors: Tensors) -> Tensors:
    """Remove computed positions, and the key bias, which is multiplied by zeros."""
    return without(tensors, r"^rope_embed\.periods$|\.bias_mask$|\.k_proj\.bias$")


def _dinov3_vit(tensors: Tensors, config: Any) -> Tensors:
    rules = (
        (r"^storage_tokens$", "register_tokens"),
        (r"^patch_embed\.proj\.", "embeddings.patch_embeddings."),
        *EMBEDDINGS,
        (r"^blocks\.(\d+)\.attn\.qkv\.", r"layer.\1.attention.qkv."),
        (r"^blocks\.(\d+)\.attn\.proj\.", r"layer.\1.attention.o_proj."),
        (r"^blocks\.(\d+)\.ls([12])\.gamma$", r"layer.\1.layer_scale\2.lambda1"),
        (r"^blocks\.(\d+)\.mlp\.fc1\.", r"layer.\1.mlp.up_proj."),
        (r"^blocks\.(\d+)\.mlp\.fc2\.", r"layer.\1.mlp.down_proj."),
        (r"^blocks\.", "layer."),
    )
    tensors = split_qkv(renamed(tensors, rules), ("q_proj", "k_proj", "v_proj"))
    mask = tensors.get("embeddings.mask_token")
    if mask is not None:
        tensors["embeddings.mask_token"] = mask.reshape(1, 1, -1)
    return tensors


def _pick_dinov3_convnext(tensors: Tensors) -> Tensors:
    return without(tensors, r"^norms\.")  # a duplicate of the norm


def _dinov3_convnext(tensors: Tensors, config: Any) -> Tensors:
    rules = (
        (r"^downsample_layers\.(\d)\.", r"stages.\1.downsample_layers."),
        (r"^stages\.(\d+)\.(\d+)\.", r"stages.\1.layers.\2."),
        (r"\.dwconv\.", ".depthwise_conv."),
        (r"\.pwconv([12])\.", r".pointwise_conv\1."),
        (r"(layers\.\d+)\.norm\.", r"\1.layer_norm."),
        (r"^norm\.", "layer_norm."),
    )
    return renamed(tensors, rules)


def _hiera(tensors: Tensors, config: Any) -> Tensors:
    starts = [0, *accumulate(config.depths)]
    rules = [
        *EMBEDDINGS,
        (r"^(encoder_)?norm\.", "pooler.layernorm."),
        (r"^(blocks\.\d+)\.norm1\.", r"\1.layernorm_before."),
        (r"^(blocks\.\d+)\.norm2\.", r"\1.layernorm_after."),
    ]
    for stage, depth in enumerate(config.depths):
        for layer in range(depth):
            number = starts[stage] + layer
            rules.append((rf"^blocks\.{number}\.", f"encoder.stages.{stage}.layers.{layer}."))
    return renamed(tensors, rules)


def _pick_sam2_hiera(tensors: Tensors) -> Tensors:
    return only_below(tensors, "image_encoder.trunk.", "vision_encoder.backbone.", "trunk.")


def _sam2_hiera(tensors: Tensors, config: Any) -> Tensors:
    rules = (
        (r"^patch_embed\.proj\.", "patch_embed.projection."),
        (r"\.norm([12])\.", r".layer_norm\1."),
        (r"\.mlp\.layers\.0\.", ".mlp.proj_in."),
        (r"\.mlp\.layers\.1\.", ".mlp.proj_out."),
    )
    return renamed(tensors, rules)


def _pick_mae(tensors: Tensors) -> Tensors:
    return without(tensors, r"^(mask_token$|decoder)")


def _mae(tensors: Tensors, config: Any) -> Tensors:
    rules = (*EMBEDDINGS, *VIT_BLOCKS, (r"^(fc_)?norm\.", "layernorm."))
    return split_qkv(renamed(tensors, rules), QUERY_KEY_VALUE)


def _pick_usfm(tensors: Tensors) -> Tensors:
    if not any(name.startswith("encoder.layer.") for name in tensors):  # those names are the hub's
        tensors = only_below(tensors, "module.encoder.", "module.", "encoder.", "backbone.")
    return without(tensors, r"relative_position_index$|^mask_token$|^decoder|^head\.")


def _usfm(tensors: Tensors, config: Any) -> Tensors:
    """Copy the table of relative positions, which blocks share in pretraining, to each block."""
    tensors = dict(tensors)
    shared = tensors.pop("rel_pos_bias.relative_position_bias_table", None)
    if shared is not None:
        for number in range(config.num_hidden_layers):
            tensors[f"blocks.{number}.attn.relative_position_bias_table"] = shared.clone()
    bias = "attention.attention.relative_position_bias.relative_position_bias_table"
    rules = (
        *EMBEDDINGS,
        *VIT_BLOCKS,
        (r"^blocks\.(\d+)\.attn\.q_bias$", r"encoder.layer.\1.attention.attention.query.bias"),
        (r"^blocks\.(\d+)\.attn\.v_bias$", r"encoder.layer.\1.attention.attention.value.bias"),
        (r"^blocks\.(\d+)\.attn\.relative_position_bias_table$", rf"encoder.layer.\1.{bias}"),
        (r"^blocks\.(\d+)\.gamma_([12])$", r"encoder.layer.\1.lambda_\2"),
        (r"^(fc_)?norm\.", "layernorm."),
        (r"^(beit\.)?pooler\.layernorm\.", "layernorm."),
    )
    return split_qkv(renamed(tensors, rules), QUERY_KEY_VALUE)


def _pick_resnet(tensors: Tensors) -> Tensors:
    """Select the encoder of EMP-SSL (`backbone`, which VFM4US uses) or of MoCo v3."""
    return only_below(
        tensors, "module.backbone.", "backbone.", "module.base_encoder.", "base_encoder."
    )


def _resnet(tensors: Tensors, config: Any) -> Tensors:
    rules = [(r"^conv1\.", "embedder.embedder.convolution.")]
    rules.append((r"^bn1\.", "embedder.embedder.normalization."))
    for stage in range(4):
        start = rf"^layer{stage + 1}\.(\d+)\."
        new = rf"encoder.stages.{stage}.layers.\1."
        rules += [(f"{start}conv{k + 1}" + r"\.", f"{new}layer.{k}.convolution.") for k in range(3)]
        rules += [(f"{start}bn{k + 1}" + r"\.", f"{new}layer.{k}.normalization.") for k in range(3)]
        rules.append((rf"{start}downsample\.0\.", f"{new}shortcut.convolution."))
        rules.append((rf"{start}downsample\.1\.", f"{new}shortcut.normalization."))
    return renamed(tensors, rules)


def _efficientnet_lite(tensors: Tensors, config: Any) -> Tensors:
    rules = (
        (r"^_conv_stem\.", "stem.conv."),
        (r"^_bn0\.", "stem.norm."),
        (r"^_blocks\.", "blocks."),
        (r"\._(expand|depthwise|project)_conv\.", r".\1.conv."),
        (r"\._bn0\.", ".expand.norm."),
        (r"\._bn1\.", ".depthwise.norm."),
        (r"\._bn2\.", ".project.norm."),
    )
    return renamed(tensors, rules)


def _pick_swin(tensors: Tensors) -> Tensors:
    return without(tensors, r"relative_position_index$")


def _swin(tensors: Tensors, config: Any) -> Tensors:
    return tensors


HEADS = ("head.", "classifier.", "decoder")
MASK_TOKEN = r"^embeddings\.mask_token$"
"""Mask token: used only in pretraining."""
KEY_BIAS = r"\.k_proj\.bias$"
"""Key bias: adds a constant to all scores of a query, which the softmax removes."""
COUNTERS = r"\.num_batches_tracked$"
"""Counters that old files of torchvision lack; they are not used for evaluation."""

DINOV2 = Layout(_dinov2, ignore=HEADS, num_class_positions=1, may_lack=MASK_TOKEN)
DINOV3_VIT = Layout(
    _dinov3_vit, _pick_dinov3_vit, ignore=HEADS, may_lack=f"{MASK_TOKEN}|{KEY_BIAS}"
)
DINOV3_CONVNEXT = Layout(_dinov3_convnext, _pick_dinov3_convnext, ignore=HEADS)
HIERA = Layout(
    _hiera,
    ignore=(*HEADS, "embeddings.mask_token", "multi_scale_fusion_heads.", "multiscale_fusion."),
)
SAM2_HIERA = Layout(_sam2_hiera, _pick_sam2_hiera)
SWIN = Layout(_swin, _pick_swin, ignore=(*HEADS, "swin.pooler.", "pooler."))
USFM = Layout(
    _usfm, _pick_usfm, ignore=(*HEADS, "lm_head."), num_class_positions=1, may_lack=KEY_BIAS
)
MAE = Layout(_mae, _pick_mae, ignore=(*HEADS, "pooler.", "vit.pooler."), num_class_positions=1)
RESNET = Layout(_resnet, _pick_resnet, ignore=(*HEADS, "fc."), may_lack=COUNTERS)
EFFICIENTNET_LITE = Layout(
    _efficientnet_lite, ignore=("_conv_head.", "_bn1.", "_fc."), may_lack=COUNTERS
)
