"""The modules compute what the public LGRNet computes, given its weights and its habits.

The reference is one case of the unmodified public model, in numbers (folder lgrnet_public of the
shared data). 1e-4 is asked for; rounding alone moves mask logits by 7e-6.
"""

import pytest
import torch
from safetensors.torch import load_file

from lgrseg.modeling.backbones import PVTv2
from lgrseg.modeling.lgrnet.decoder import MaskedDecoder
from lgrseg.modeling.lgrnet.encoder import LGREncoder
from lgrseg.modeling.lgrnet.public_release import from_public


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
    weights = load_file(folder / "state_dict.safetensors")
    own = model.state_dict()
    model.load_state_dict(from_public({k: v.float() for k, v in weights.items()}, own))
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
