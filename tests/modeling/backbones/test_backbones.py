"""lgrseg/modeling/backbones: public names, parity with published implementations, interface."""

import pytest
import torch

from lgrseg.modeling.backbones import MetaFormer, PVTv2

TINY = {"depths": (1, 1, 1, 1), "dims": (8, 16, 32, 64)}


@pytest.mark.parametrize("backbone", [PVTv2(variant="b0"), MetaFormer(**TINY)], ids=["pvt", "ca"])
def test_interface(backbone):
    features = backbone(torch.randn(2, 3, 64, 96))
    assert list(features) == ["res2", "res3", "res4", "res5"]
    for name, maps in features.items():
        stride = backbone.strides[name]
        assert maps.shape == (2, backbone.channels[name], 64 // stride, 96 // stride)
    sum(maps.sum() for maps in features.values()).backward()
    assert all(p.grad is not None for p in backbone.parameters())


def test_pvt_agrees_with_transformers():
    transformers = pytest.importorskip("transformers")
    config = transformers.PvtV2Config(
        hidden_sizes=[32, 64, 160, 256],
        depths=[2, 2, 2, 2],
        num_attention_heads=[1, 2, 5, 8],
        mlp_ratios=[8, 8, 4, 4],
        sr_ratios=[8, 4, 2, 1],
        layer_norm_eps=1e-5,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    peer = transformers.PvtV2Backbone(config).eval()
    ours = PVTv2(variant="b0").eval()
    # Ours has the public epsilons (1e-6 in blocks), theirs one for all.
    for module in ours.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = 1e-5
    weights = {}
    for name, value in peer.state_dict().items():
        stage, rest = name.removeprefix("encoder.layers.").split(".", 1)
        rest = rest.replace("patch_embedding.layer_norm", "patch_embed.norm")
        rest = rest.replace("patch_embedding", "patch_embed").replace("blocks", "block")
        rest = rest.replace("layer_norm_1", "norm1").replace("layer_norm_2", "norm2")
        rest = rest.replace("attention", "attn").replace("layer_norm", "norm")
        rest = (
            rest.replace("attn.query", "attn.q").replace("dense1", "fc1").replace("dense2", "fc2")
        )
        rest = rest.replace("attn.spatial_reduction", "attn.sr")
        part, _, tail = rest.partition(".")
        weights[f"{part}{int(stage) + 1}.{tail}"] = value
    for i in range(1, 5):  # keys and values are one layer in the public form
        for j in range(2):
            for kind in ("weight", "bias"):
                key, value = (
                    weights.pop(f"block{i}.{j}.attn.{n}.{kind}") for n in ("key", "value")
                )
                weights[f"block{i}.{j}.attn.kv.{kind}"] = torch.cat([key, value])
    ours.load_state_dict(weights)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        theirs = peer(images).feature_maps
        for maps, expected in zip(ours(images).values(), theirs, strict=True):
            assert (maps - expected).abs().max() < 2e-5


def test_caformer_takes_the_public_names():
    """Every name and shape of the public caformer_s18 (without its head), from the rule."""
    depths, dims = (3, 3, 9, 3), (64, 128, 320, 512)
    names = {"stem.conv.weight": (64, 3, 7, 7), "stem.conv.bias": (64,), "stem.norm.weight": (64,)}
    for i, (depth, dim) in enumerate(zip(depths, dims, strict=True)):
        if i:
            names[f"stages.{i}.downsample.norm.weight"] = (dims[i - 1],)
            names[f"stages.{i}.downsample.conv.weight"] = (dim, dims[i - 1], 3, 3)
            names[f"stages.{i}.downsample.conv.bias"] = (dim,)
        one = (1, 1) if i < 2 else ()
        for j in range(depth):
            block = f"stages.{i}.blocks.{j}."
            names |= {block + f"norm{n}.weight": (dim,) for n in (1, 2)}
            names |= {block + "mlp.fc1.weight": (4 * dim, dim, *one)}
            names |= {block + "mlp.fc2.weight": (dim, 4 * dim, *one)}
            names |= {block + f"mlp.act.{n}": (1,) for n in ("scale", "bias")}
            if i < 2:
                names |= {block + f"token_mixer.act1.{n}": (1,) for n in ("scale", "bias")}
                names[block + "token_mixer.pwconv1.weight"] = (2 * dim, dim, 1, 1)
                names[block + "token_mixer.dwconv.weight"] = (2 * dim, 1, 7, 7)
                names[block + "token_mixer.pwconv2.weight"] = (dim, 2 * dim, 1, 1)
            else:
                names |= {block + f"res_scale{n}.scale": (dim,) for n in (1, 2)}
                names[block + "token_mixer.qkv.weight"] = (3 * dim, dim)
                names[block + "token_mixer.proj.weight"] = (dim, dim)
    own = {name: tuple(value.shape) for name, value in MetaFormer().state_dict().items()}
    assert own == names


def test_drop_path_is_decided_frame_by_frame():
    backbone = PVTv2(variant="b0", drop_path_rate=0.9).train()
    image = torch.randn(1, 3, 32, 32).expand(8, -1, -1, -1)
    maps = backbone(image)["res5"]
    assert (maps - maps[:1]).abs().amax(dim=(1, 2, 3)).max() > 1e-3
    assert torch.equal(*(backbone.eval()(image)["res5"][:2]))


@pytest.mark.parametrize("backbone", [PVTv2, MetaFormer])
def test_unknown_variants(backbone):
    with pytest.raises(ValueError, match="comes as .* not 'b9'"):
        backbone(variant="b9")
