"""Files with the authors' names and shapes, small: every value lands where it belongs."""

import re

import pytest
import torch

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.modeling.foundation.names import only_below, renamed, split_qkv, to_module

D = 32
LINEAR = {"norm1": D, "norm2": D, "attn.proj": (D, D), "mlp.fc1": (4 * D, D), "mlp.fc2": (D, 4 * D)}


def numbers(shapes):
    """Random tensors by name; `linear` shapes get a weight and a bias."""
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def with_biases(shapes):
    """{"norm1": D, "fc": (2, D)} -> weights of these shapes, biases of their first dimension."""
    found = {}
    for name, shape in shapes.items():
        shape = shape if isinstance(shape, tuple) else (shape,)
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return found


def blocks(count, shapes, start="blocks"):
    """The shapes of a block, for each of `count`."""
    return {f"{start}.{i}.{name}": shape for i in range(count) for name, shape in shapes.items()}


def own(encoder, *parts):
    """The model's one tensor whose name has all the parts in it."""
    found = [v for k, v in encoder.model.state_dict().items() if all(part in k for part in parts)]
    assert len(found) == 1, parts
    return found[0]


@pytest.fixture
def loaded(tiny, tmp_path, caplog):
    """Load tensors into a tiny encoder: all of it must be found, nothing be left over."""

    def load(name, content):
        file = tmp_path / "weights.pth"
        torch.save(content, file)
        with caplog.at_level("INFO", logger="lgrseg"):
            encoder = tiny(name, weights=str(file))
        table = dict(line.split()[:2] for line in caplog.text.splitlines() if line[:2] == "  ")
        assert (table["missing"], table["unexpected"], table["reshaped"]) == ("0", "0", "0")
        return encoder

    return load


def assert_qkv_split(encoder, tensors, name, layer, *, key_bias=True):
    """Queries, keys and values are the three parts of `qkv`, in this order."""
    for kind in ("weight", "bias"):
        whole = tensors[f"{name}.{kind}"]
        for part, letter in zip(whole.split(D), "qkv", strict=True):
            if kind == "bias" and letter == "k" and not key_bias:
                continue
            assert torch.equal(own(encoder, layer, f"{letter}_proj.{kind}"), part)


def dinov2_shapes(*, registers):
    block = with_biases(LINEAR | {"attn.qkv": (3 * D, D)}) | {"ls1.gamma": D, "ls2.gamma": D}
    shapes = {"cls_token": (1, 1, D), "mask_token": (1, D), "pos_embed": (1, 17, D)}
    shapes |= {"register_tokens": (1, 4, D)} if registers else {}
    return shapes | with_biases({"patch_embed.proj": (D, 3, 14, 14), "norm": D}) | blocks(2, block)


@pytest.mark.parametrize("registers", [True, False])
def test_dinov2(loaded, registers):
    tensors = numbers(dinov2_shapes(registers=registers))
    encoder = loaded("dinov2_small_registers" if registers else "dinov2_small", tensors)
    if registers:
        assert torch.equal(own(encoder, "register_tokens"), tensors["register_tokens"])
    assert_qkv_split(encoder, tensors, "blocks.1.attn.qkv", "layer.1")
    for ours, theirs in {
        "cls_token": "cls_token",
        "position_embeddings": "pos_embed",
        "projection.weight": "patch_embed.proj.weight",
        "layer.0.norm1.weight": "blocks.0.norm1.weight",
        "layer.1.norm2.bias": "blocks.1.norm2.bias",
        "layer.1.attention.o_proj.weight": "blocks.1.attn.proj.weight",
        "layer.0.layer_scale1.lambda1": "blocks.0.ls1.gamma",
        "layer.0.layer_scale2.lambda1": "blocks.0.ls2.gamma",
        "layer.1.mlp.fc1.weight": "blocks.1.mlp.fc1.weight",
        "layer.1.mlp.fc2.bias": "blocks.1.mlp.fc2.bias",
    }.items():
        assert torch.equal(own(encoder, ours), tensors[theirs])
    assert torch.equal(encoder.model.layernorm.weight, tensors["norm.weight"])


def test_dinov2_in_the_chunks_of_its_training(loaded):
    tensors = numbers(dinov2_shapes(registers=True))
    chunked = {re.sub(r"^blocks\.", "blocks.0.", name): value for name, value in tensors.items()}
    encoder = loaded("dinov2_small_registers", chunked)
    assert_qkv_split(encoder, tensors, "blocks.1.attn.qkv", "layer.1")


def test_dinov3_vit(loaded):
    block = with_biases(LINEAR | {"attn.qkv": (3 * D, D)})
    block |= {"attn.qkv.bias_mask": (3 * D,), "ls1.gamma": (D,), "ls2.gamma": (D,)}
    shapes = {"cls_token": (1, 1, D), "mask_token": (1, D), "storage_tokens": (1, 4, D)}
    shapes |= {"rope_embed.periods": (4,)} | blocks(2, block)
    shapes |= with_biases({"patch_embed.proj": (D, 3, 16, 16), "norm": D})
    shapes = {
        name: (2 * D, D) if name.endswith("fc1.weight") else shape for name, shape in shapes.items()
    }
    shapes |= {f"blocks.{i}.mlp.fc1.bias": (2 * D,) for i in range(2)}
    shapes |= {f"blocks.{i}.mlp.fc2.weight": (D, 2 * D) for i in range(2)}
    tensors = numbers(shapes)
    encoder = loaded("dinov3_vits16", tensors)
    assert_qkv_split(encoder, tensors, "blocks.1.attn.qkv", "layer.1", key_bias=False)
    for ours, theirs in {
        "register_tokens": "storage_tokens",
        "embeddings.patch_embeddings.weight": "patch_embed.proj.weight",
        "layer.0.layer_scale2.lambda1": "blocks.0.ls2.gamma",
        "layer.1.mlp.up_proj.weight": "blocks.1.mlp.fc1.weight",
        "layer.1.mlp.down_proj.bias": "blocks.1.mlp.fc2.bias",
        "layer.1.attention.o_proj.bias": "blocks.1.attn.proj.bias",
    }.items():
        assert torch.equal(own(encoder, ours), tensors[theirs])
    assert torch.equal(own(encoder, "mask_token").flatten(), tensors["mask_token"].flatten())
    assert torch.equal(encoder.model.norm.bias, tensors["norm.bias"])


def test_dinov3_convnext(loaded):
    widths, depths, shapes = [8, 16, 32, 64], [1, 1, 2, 1], {}
    for i, width in enumerate(widths):
        before = widths[i - 1] if i else None
        shapes |= with_biases(
            {f"downsample_layers.{i}.0": before, f"downsample_layers.{i}.1": (width, before, 2, 2)}
            if i
            else {"downsample_layers.0.0": (8, 3, 4, 4), "downsample_layers.0.1": 8}
        )
        linear = {"dwconv": (width, 1, 7, 7), "norm": width}
        linear |= {"pwconv1": (4 * width, width), "pwconv2": (width, 4 * width)}
        block = with_biases(linear) | {"gamma": (width,)}
        shapes |= blocks(depths[i], block, start=f"stages.{i}")
    shapes |= with_biases({"norm": 64, "norms.3": 64})
    tensors = numbers(shapes)
    encoder = loaded("dinov3_convnext_tiny", tensors)
    for ours, theirs in {
        "stages.0.downsample_layers.1.weight": "downsample_layers.0.1.weight",
        "stages.2.downsample_layers.1.weight": "downsample_layers.2.1.weight",
        "stages.2.layers.1.depthwise_conv.weight": "stages.2.1.dwconv.weight",
        "stages.2.layers.1.layer_norm.bias": "stages.2.1.norm.bias",
        "stages.3.layers.0.pointwise_conv1.weight": "stages.3.0.pwconv1.weight",
        "stages.3.layers.0.pointwise_conv2.bias": "stages.3.0.pwconv2.bias",
        "stages.1.layers.0.gamma": "stages.1.0.gamma",
    }.items():
        assert torch.equal(own(encoder, ours), tensors[theirs])
    assert torch.equal(encoder.model.layer_norm.weight, tensors["norm.weight"])


def hiera_blocks(names):
    """Five blocks of 8, 16, 32, 32, 64 channels, by the names of `names`."""
    shapes, before = {}, 8
    for i, width in enumerate([8, 16, 32, 32, 64]):
        linear = {
            "norm1": before,
            "attn.qkv": (3 * width, before),
            "attn.proj": (width, width),
            "norm2": width,
            names[0]: (4 * width, width),
            names[1]: (width, 4 * width),
        }
        linear |= {"proj": (width, before)} if width != before else {}
        shapes |= {f"blocks.{i}.{name}": shape for name, shape in with_biases(linear).items()}
        before = width
    return shapes


@pytest.mark.parametrize("pretrained_by_mae", [False, True])
def test_hiera(loaded, pretrained_by_mae):
    """The blocks are numbered through; here they are of stages of 1, 1, 2 and 1."""
    shapes = {"pos_embed": (1, 256, 8)} | hiera_blocks(("mlp.fc1", "mlp.fc2"))
    norm = "encoder_norm" if pretrained_by_mae else "norm"
    shapes |= with_biases({"patch_embed.proj": (8, 3, 7, 7), norm: 64})
    head = {"decoder_pos_embed": (1, 4, 8), "mask_token": (1, 1, 8), "decoder_norm.weight": (8,)}
    tensors = numbers(shapes | (head if pretrained_by_mae else {"head.projection.weight": (3, 64)}))
    encoder = loaded("hiera_tiny", {"model_state": tensors, "epoch": 400})
    for ours, theirs in {
        "position_embeddings": "pos_embed",
        "patch_embeddings.projection.weight": "patch_embed.proj.weight",
        "stages.0.layers.0.attn.qkv.weight": "blocks.0.attn.qkv.weight",
        "stages.1.layers.0.layernorm_before.weight": "blocks.1.norm1.weight",
        "stages.1.layers.0.proj.weight": "blocks.1.proj.weight",
        "stages.2.layers.1.layernorm_after.bias": "blocks.3.norm2.bias",
        "stages.2.layers.1.attn.proj.weight": "blocks.3.attn.proj.weight",
        "stages.3.layers.0.mlp.fc2.weight": "blocks.4.mlp.fc2.weight",
        "pooler.layernorm.weight": f"{norm}.weight",
    }.items():
        assert torch.equal(own(encoder, ours), tensors[theirs])


def test_sam2s_image_encoder(loaded):
    shapes = {"pos_embed": (1, 8, 7, 7), "pos_embed_window": (1, 8, 8, 8)}
    shapes |= with_biases({"patch_embed.proj": (8, 3, 7, 7)})
    shapes |= hiera_blocks(("mlp.layers.0", "mlp.layers.1"))
    tensors = numbers(shapes)
    whole = {f"image_encoder.trunk.{name}": value for name, value in tensors.items()}
    whole |= numbers({"image_encoder.neck.convs.0.conv.weight": (4, 4), "maskmem_tpos_enc": (7,)})
    encoder = loaded("sam2_hiera_tiny", {"model": whole})
    for ours, theirs in {
        "pos_embed_window": "pos_embed_window",
        "patch_embed.projection.bias": "patch_embed.proj.bias",
        "blocks.2.layer_norm1.weight": "blocks.2.norm1.weight",
        "blocks.4.mlp.proj_in.weight": "blocks.4.mlp.layers.0.weight",
        "blocks.4.mlp.proj_out.bias": "blocks.4.mlp.layers.1.bias",
        "blocks.1.attn.qkv.bias": "blocks.1.attn.qkv.bias",
    }.items():
        assert torch.equal(own(encoder, ours), tensors[theirs])


def vit_block(**more):
    shapes = with_biases(LINEAR) | {"attn.qkv.weight": (3 * D, D)} | more
    return shapes | {
        "mlp.fc1.weight": (2 * D, D),
        "mlp.fc1.bias": (2 * D,),
        "mlp.fc2.weight": (D, 2 * D),
    }


def test_mae(loaded):
    shapes = {"cls_token": (1, 1, D), "pos_embed": (1, 17, D), "mask_token": (1, 1, 16)}
    shapes |= {"decoder_pos_embed": (1, 17, 16), "decoder_blocks.0.attn.qkv.weight": (48, 16)}
    shapes |= with_biases({"patch_embed.proj": (D, 3, 16, 16), "norm": D, "decoder_pred": (8, 16)})
    shapes |= blocks(2, vit_block() | {"attn.qkv.bias": (3 * D,)})
    tensors = numbers(shapes)
    encoder = loaded("mae_base", {"model": tensors})
    assert_qkv_split(encoder, tensors, "blocks.1.attn.qkv", "layers.1")
    for ours, theirs in {
        "position_embeddings": "pos_embed",
        "layers.0.layernorm_before.weight": "blocks.0.norm1.weight",
        "layers.1.layernorm_after.weight": "blocks.1.norm2.weight",
        "layers.1.attention.o_proj.weight": "blocks.1.attn.proj.weight",
        "layers.1.mlp.fc1.bias": "blocks.1.mlp.fc1.bias",
        "layers.0.mlp.fc2.weight": "blocks.0.mlp.fc2.weight",
    }.items():
        assert torch.equal(own(encoder, ours), tensors[theirs])


def usfm_tensors():
    """As USFM_latest.pth: separate biases of queries and values, none of keys; one shared table."""
    block = vit_block() | {"attn.q_bias": D, "attn.v_bias": D, "gamma_1": D, "gamma_2": D}
    block |= {"attn.relative_position_bias_table": (52, 2)}
    shapes = {"cls_token": (1, 1, D), "mask_token": (1, 1, D)} | blocks(2, block)
    return numbers(shapes | with_biases({"patch_embed.proj": (D, 3, 16, 16), "norm": D}))


@pytest.mark.parametrize("wrapped", ["", "encoder.", "module.encoder."])
def test_usfm(loaded, wrapped):
    tensors = usfm_tensors()
    content = {wrapped + name: value for name, value in tensors.items()}
    content[f"{wrapped}blocks.0.attn.relative_position_index"] = torch.zeros(17, 17)
    content["decoder.0.weight" if wrapped else "head.weight"] = torch.zeros(3, 3)
    encoder = loaded("usfm_base", {"model": content} if wrapped else content)
    parts = tensors["blocks.1.attn.qkv.weight"].split(D)
    for part, letter in zip(parts, "qkv", strict=True):
        assert torch.equal(own(encoder, "layers.1", f"{letter}_proj.weight"), part)
    for ours, theirs in {
        "layers.0.attention.q_proj.bias": "blocks.0.attn.q_bias",
        "layers.1.attention.v_proj.bias": "blocks.1.attn.v_bias",
        "layers.0.lambda_1": "blocks.0.gamma_1",
        "layers.1.lambda_2": "blocks.1.gamma_2",
        "layers.1.relative_position_bias_table": "blocks.1.attn.relative_position_bias_table",
        "layers.1.layernorm_after.weight": "blocks.1.norm2.weight",
        "patch_embeddings.projection.weight": "patch_embed.proj.weight",
    }.items():
        first, _, rest = ours.partition(".relative")
        found = own(encoder, first, "relative" + rest) if rest else own(encoder, ours)
        assert torch.equal(found, tensors[theirs])
    assert torch.equal(encoder.model.layernorm.weight, tensors["norm.weight"])
    assert not any("k_proj.bias" in name for name in encoder.state_dict())


def test_usfms_shared_table_goes_to_every_block(loaded):
    tensors = usfm_tensors()
    tables = [name for name in tensors if "bias_table" in name]
    shared = [tensors.pop(name) for name in tables][0]
    tensors["rel_pos_bias.relative_position_bias_table"] = shared
    tensors["rel_pos_bias.relative_position_index"] = torch.zeros(17, 17)
    encoder = loaded("usfm_base", tensors)
    for number in range(2):
        found = own(encoder, f"layers.{number}.", "relative_position_bias_table")
        assert torch.equal(found, shared)


def resnet_tensors(depths=(1, 1, 1, 1)):
    """Names of torchvision's ResNet of basic blocks, 8 to 64 channels."""

    def norm(name, width):
        tensors = numbers({f"{name}.{part}": (width,) for part in ("weight", "bias")})
        tensors |= {f"{name}.running_mean": torch.randn(width)}
        tensors |= {f"{name}.running_var": torch.rand(width) + 0.5}
        return tensors | {f"{name}.num_batches_tracked": torch.tensor(7)}

    tensors, before = numbers({"conv1.weight": (8, 3, 7, 7)}) | norm("bn1", 8), 8
    for stage, depth in enumerate(depths):
        width = 8 * 2**stage
        for i in range(depth):
            name = f"layer{stage + 1}.{i}"
            tensors |= numbers({f"{name}.conv1.weight": (width, before, 3, 3)})
            tensors |= numbers({f"{name}.conv2.weight": (width, width, 3, 3)})
            tensors |= norm(f"{name}.bn1", width) | norm(f"{name}.bn2", width)
            if width != before:
                tensors |= numbers({f"{name}.downsample.0.weight": (width, before, 1, 1)})
                tensors |= norm(f"{name}.downsample.1", width)
            before = width
    return tensors | numbers(with_biases({"fc": (10, 64)}))


@pytest.mark.parametrize("prefix", ["module.backbone.", "backbone."])
def test_emp_ssl(loaded, caplog, prefix):
    """VFM4US's own weights: an encoder without `fc`, and two heads, which are left out."""
    tensors = {name: value for name, value in resnet_tensors().items() if name[:3] != "fc."}
    outside = prefix.removesuffix("backbone.")
    heads = {f"{outside}pre_feature.0.weight": (9, 64), f"{outside}projection.3.bias": (4,)}
    content = {prefix + name: value for name, value in tensors.items()} | numbers(heads)
    encoder = loaded("resnet18", content)
    assert torch.equal(own(encoder, "embedder.convolution.weight"), tensors["conv1.weight"])
    last = own(encoder, "stages.3.layers.0.layer.1.normalization.running_var")
    assert torch.equal(last, tensors["layer4.0.bn2.running_var"])
    assert re.search(r"left out +2: pre_feature\.0\.weight, projection\.3\.bias", caplog.text)


def test_moco_v3(loaded, caplog):
    """Below module.base_encoder., beside a second encoder that follows it; `fc` is left out."""
    tensors = resnet_tensors()
    content = {f"module.base_encoder.{name}": value for name, value in tensors.items()}
    content |= {f"module.momentum_encoder.{name}": value + 1 for name, value in tensors.items()}
    content |= numbers({"module.predictor.0.weight": (4, 4), "module.predictor.1.weight": (4,)})
    encoder = loaded("resnet18", {"state_dict": content, "epoch": 300, "arch": "resnet18"})
    for ours, theirs in {
        "embedder.embedder.convolution.weight": "conv1.weight",
        "embedder.embedder.normalization.running_var": "bn1.running_var",
        "stages.0.layers.0.layer.0.convolution.weight": "layer1.0.conv1.weight",
        "stages.2.layers.0.layer.1.convolution.weight": "layer3.0.conv2.weight",
        "stages.2.layers.0.layer.1.normalization.weight": "layer3.0.bn2.weight",
        "stages.3.layers.0.shortcut.convolution.weight": "layer4.0.downsample.0.weight",
        "stages.3.layers.0.shortcut.normalization.running_mean": (
            "layer4.0.downsample.1.running_mean"
        ),
    }.items():
        assert torch.equal(own(encoder, ours), tensors[theirs])
    number = len(tensors) + 2 + 2  # of the other encoder with its fc, the predictor and fc
    assert re.search(rf"left out +{number}: momentum_encoder\.conv1\.weight, ", caplog.text)


def test_what_the_mapping_leaves_out_is_told(loaded, caplog):
    """Before renaming, while taking qkv apart, and what a layout ignores."""
    block = with_biases(LINEAR | {"attn.qkv": (3 * D, D)}) | {"ls1.gamma": D, "ls2.gamma": D}
    block |= {"attn.qkv.bias_mask": (3 * D,)}
    block |= with_biases({"mlp.fc1": (2 * D, D)}) | {"mlp.fc2.weight": (D, 2 * D)}
    shapes = {"cls_token": (1, 1, D), "mask_token": (1, D), "storage_tokens": (1, 4, D)}
    shapes |= {"rope_embed.periods": (4,), "head.weight": (3, D)} | blocks(2, block)
    loaded("dinov3_vits16", numbers(shapes | with_biases({"patch_embed.proj": (D, 3, 16, 16)})
           | with_biases({"norm": D})))  # fmt: skip
    names = "rope_embed.periods, blocks.0.attn.qkv.bias_mask, blocks.1.attn.qkv.bias_mask"
    keys = "layer.0.attention.k_proj.bias, layer.1.attention.k_proj.bias, ..."
    assert re.search(rf"left out +6: {re.escape(names)}, {re.escape(keys)}", caplog.text)


def test_torchvisions_resnet(loaded):
    tensors = resnet_tensors()
    encoder = loaded("resnet18", tensors)
    assert torch.equal(own(encoder, "embedder.convolution.weight"), tensors["conv1.weight"])


def test_rules_by_hand():
    a, b = torch.zeros(1), torch.ones(1)
    assert renamed({"x.1": a}, [(r"^x\.", "y."), (r"y\.(\d)", r"z\1")]) == {"z1": a}
    assert only_below({"m.a": a, "b": b}, "n.", "m.") == {"a": a}
    assert only_below({"a": a}, "n.", "m.") == {"a": a}
    parts = split_qkv({"l.qkv.bias": torch.arange(6)}, ("q", "k", "v"))
    assert {name: part.tolist() for name, part in parts.items()} == {
        "l.q.bias": [0, 1],
        "l.k.bias": [2, 3],
        "l.v.bias": [4, 5],
    }
    assert to_module({"dinov2.a": a, "who.knows": b}, ["a"]) == {"a": a, "who.knows": b}
    assert to_module({"vit.norm": a, "norm": b}, ["norm"]) == {"norm": a}  # a head has one too


def test_an_encoder_of_another_kind(tiny, tmp_path):
    torch.save(numbers(dinov2_shapes(registers=False)), tmp_path / "dino.pth")
    with pytest.raises(
        CheckpointError, match="does not belong to resnet18: it has 0 of the encoder's"
    ):
        tiny("resnet18", weights=str(tmp_path / "dino.pth"))
