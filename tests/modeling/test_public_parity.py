"""The modules compute what the public LGRNet computes, given its weights and its habits.

The reference is one case of the unmodified public model, in numbers (folder lgrnet_public of the
shared data). 1e-4 is asked for; rounding alone moves mask logits by 7e-6.
"""

import re

import pytest
import torch
from safetensors.torch import load_file

from lgrseg.modeling.backbones import PVTv2
from lgrseg.modeling.decoder import MaskedDecoder
from lgrseg.modeling.encoder import LGREncoder

RENAMED = [
    (r"video_backbone\.image_homo\.pvt_v2\.", "backbone."),
    (r"fusion_encoder\.video_projs\.multiscale_projs\.(res\d)\.norm\.", r"encoder.norms.\1."),
    (r"fusion_encoder\.video_projs\.multiscale_projs\.", "encoder.projections."),
    (r"fusion_encoder\.adapter_1\.norm", "encoder.lateral_norm"),
    (r"fusion_encoder\.adapter_1", "encoder.lateral"),
    (r"fusion_encoder\.layer_1\.norm", "encoder.smooth_norm"),
    (r"fusion_encoder\.layer_1", "encoder.smooth"),
    (r"fusion_encoder\.transformer\.level_embed", "encoder.level_embed"),
    (r"fusion_encoder\.transformer\.encoder\.frame_query_feats", "encoder.query_features"),
    (r"fusion_encoder\.transformer\.encoder\.frame_query_poses", "encoder.query_positions"),
    (r"fusion_encoder\.transformer\.encoder\.layers", "encoder.layers"),
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
    (r"global_hiss\.self_attn\.(\d)\.homo\.x_proj_weight", r"scan.scans.\1.x_proj"),
    (r"global_hiss\.self_attn\.(\d)\.homo\.dt_projs_weight", r"scan.scans.\1.step_proj"),
    (r"global_hiss\.self_attn\.(\d)\.homo\.dt_projs_bias", r"scan.scans.\1.step_bias"),
    (r"global_hiss\.self_attn\.(\d)\.homo\.A_logs", r"scan.scans.\1.A_log"),
    (r"global_hiss\.self_attn\.(\d)\.homo\.Ds", r"scan.scans.\1.D"),
    (r"global_hiss\.self_attn\.(\d)\.homo\.conv2d", r"scan.scans.\1.conv"),
    (r"global_hiss\.self_attn\.(\d)\.homo\.", r"scan.scans.\1."),
    (r"global_hiss\.self_attn\.(\d)\.norm", r"scan.norms.\1"),
    (r"global_hiss\.ffn\.linear1", "scan.ffn.expand"),
    (r"global_hiss\.ffn\.linear2", "scan.ffn.reduce"),
    (r"global_hiss\.ffn\.norm", "scan.ffn.norm"),
    (r"(encoder\.layers\.\d)\.linear1", r"\1.ffn.expand"),
    (r"(encoder\.layers\.\d)\.linear2", r"\1.ffn.reduce"),
    (r"(encoder\.layers\.\d)\.norm2", r"\1.ffn.norm"),
    (r"decoder\.level_embeds", "decoder.level_embed"),
    (r"decoder\.cross_layers\.(\d)\.multihead_attn", r"decoder.layers.\1.cross_attn"),
    (r"decoder\.cross_layers\.(\d)\.norm", r"decoder.layers.\1.cross_norm"),
    (r"decoder\.self_layers\.(\d)\.self_attn", r"decoder.layers.\1.self_attn"),
    (r"decoder\.self_layers\.(\d)\.norm", r"decoder.layers.\1.self_norm"),
    (r"decoder\.ffn_layers\.(\d)\.linear1", r"decoder.layers.\1.ffn.0"),
    (r"decoder\.ffn_layers\.(\d)\.linear2", r"decoder.layers.\1.ffn.2"),
    (r"decoder\.ffn_layers\.(\d)\.norm", r"decoder.layers.\1.ffn_norm"),
    (r"decoder\.temporal_query_feats", "decoder.query_features"),
    (r"decoder\.temporal_query_poses", "decoder.query_positions"),
    (r"decoder\.temporal_query_norm", "decoder.norm"),
    (r"decoder\.query_mask\.layers\.0", "decoder.mask_head.0"),
    (r"decoder\.query_mask\.layers\.1", "decoder.mask_head.2"),
    (r"decoder\.query_mask\.layers\.2", "decoder.mask_head.4"),
    (r"decoder\.query_class", "decoder.class_head"),
]


@pytest.fixture(scope="module")
def case(shared):
    folder = shared / "lgrnet_public" / "fixture"
    if not folder.is_dir():
        pytest.skip(f"no reference outputs in {folder}")
    parts = {
        "backbone": PVTv2(variant="b0"),
        "encoder": LGREncoder(
            in_channels={"res2": 32, "res3": 64, "res4": 160, "res5": 256},
            pixel_ffn_dim=96,
            query_ffn_dim=128,
            norm_over_clip=True,
            zero_padded_keys=True,
        ),
        "decoder": MaskedDecoder(num_classes=1, ffn_dim=160, attention_threshold=0.5),
    }
    model = torch.nn.ModuleDict(parts).eval()
    own = model.state_dict()
    weights = {}
    for name, value in load_file(folder / "state_dict.safetensors").items():
        if name.startswith("decoder.loss_module"):
            continue
        renamed = name
        for pattern, replacement in RENAMED:
            renamed = re.sub(pattern, replacement, renamed)
            if name.startswith("video_backbone"):
                break  # its names are ours
        weights[renamed] = value.float().reshape(own[renamed].shape)
    model.load_state_dict(weights)
    inputs = load_file(folder / "input.safetensors")
    mean, std = (inputs[f"pixel_{n}"][:, None, None] for n in ("mean", "std"))
    return model, (inputs["frames"] - mean) / std, load_file(folder / "output.safetensors")


def close(ours, theirs):
    return (ours - theirs).abs().max().item() < 1e-4


def given(expected, part, names):
    """Reference maps (1, C, T, h, w) as ours are laid out, (1, T, C, h, w)."""
    return {name: expected[f"{part}.{name}"].transpose(1, 2) for name in names}


SCALES = ("res2", "res3", "res4", "res5")


@torch.no_grad()
def test_backbone(case):
    model, frames, expected = case
    ours = model["backbone"](frames[0])
    for name in SCALES:
        assert close(ours[name], expected[f"backbone.{name}"][0].transpose(0, 1)), name


@torch.no_grad()
def test_encoder(case):
    model, _, expected = case
    ours = model["encoder"](given(expected, "backbone", SCALES))
    theirs = given(expected, "encoder", SCALES)
    for name in ("res3", "res4", "res5"):
        assert close(ours[name], theirs[name]), name
    assert close(ours["mask_features"], theirs["res2"])
    queries = expected["encoder.frame_queries"][-1]  # query, t, channel
    assert close(ours["frame_queries"][0], queries.transpose(0, 1))


@torch.no_grad()
def test_decoder(case):
    model, _, expected = case
    features = given(expected, "encoder", SCALES)
    outputs = model["decoder"](features | {"mask_features": features["res2"]})
    for index, output in enumerate(outputs):
        masks = expected["decoder.mask_logits_lowres"][index]  # b t q h w
        assert close(output.mask_logits, masks.transpose(1, 2)), index
        assert close(output.class_logits, expected["decoder.class_logits"][index]), index


@torch.no_grad()
def test_whole_model(case):
    model, frames, expected = case
    features = {name: maps[None] for name, maps in model["backbone"](frames[0]).items()}
    output = model["decoder"](model["encoder"](features))[-1]
    assert close(output.mask_logits, expected["decoder.mask_logits_lowres"][-1].transpose(1, 2))
