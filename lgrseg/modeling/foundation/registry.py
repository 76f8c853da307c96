"""Every pretrained encoder by its name: its sizes, what builds it, what names its weights have.

encoder = build_encoder("dinov2_small", weights="weights/dinov2_vits14_pretrain.pth")
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lgrseg.config import did_you_mean
from lgrseg.modeling.foundation import hierarchical, names, vit
from lgrseg.modeling.foundation.encoder import Encoder
from lgrseg.modeling.foundation.loading import load_encoder_weights, local_file
from lgrseg.modeling.sam2 import network as sam2

VIT_SIZES = {
    "small": {"hidden_size": 384, "num_attention_heads": 6, "num_hidden_layers": 12},
    "base": {"hidden_size": 768, "num_attention_heads": 12, "num_hidden_layers": 12},
    "large": {"hidden_size": 1024, "num_attention_heads": 16, "num_hidden_layers": 24},
}


@dataclass(frozen=True)
class Entry:
    """One encoder of the registry."""

    build: Callable[..., Encoder]
    config: str
    """transformers' class of its settings."""
    layout: names.Layout
    """Of published weights."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Beyond the config class's own."""


def build_encoder(
    name: str,
    *,
    weights: str | None = None,
    layers: tuple[int, ...] | None = None,
    **overrides: Any,
) -> Encoder:
    """A pretrained encoder, or the same network from random weights.

    Args:
        name: a key of `ENCODERS`.
        weights: None for random ones; a folder with model.safetensors or an id as the Hugging Face
            hub has them; a .safetensors; or the .pth that the authors publish.
        layers: of a plain transformer, the blocks (counted from 0, -1 the last) after which a map
            is taken; None is one map, after the last.
        overrides: of the settings in transformers' config, `image_size=448`.

    Raises:
        ValueError: an unknown name or setting, or layers of an encoder with stages.
        FileNotFoundError: no such weights, or a hub id that cannot be fetched.
        CheckpointError: weights of another model or size.
    """
    if name not in ENCODERS:
        raise ValueError(
            f"no encoder is called {name!r}{did_you_mean(name, ENCODERS)}; there are: "
            f"{', '.join(ENCODERS)}"
        )
    entry = ENCODERS[name]
    _check_settings(name, entry, overrides)
    if layers is not None:
        if "layers" not in inspect.signature(entry.build).parameters:
            raise ValueError(f"{name} has four stages already; layers are for plain transformers")
        overrides["layers"] = tuple(layers)
    file = local_file(str(weights)) if weights else None  # before the work of building
    encoder = entry.build(**(entry.settings | overrides))
    if file is not None:
        siblings = [other for other in ENCODERS if ENCODERS[other].layout is entry.layout]
        load_encoder_weights(encoder, file, name=name, layout=entry.layout, siblings=siblings)
    return encoder


def _check_settings(name: str, entry: Entry, overrides: dict[str, Any]) -> None:
    import transformers

    known = vars(getattr(transformers, entry.config)())
    for key in overrides:
        if key not in known:
            raise ValueError(
                f"{name} has no setting {key!r}{did_you_mean(key, [*known, 'weights'])}"
            )


def _dinov2() -> dict[str, Entry]:
    found = {}
    common = {"image_size": 518, "patch_size": 14, "drop_path_rate": 0.0}
    for size, settings in VIT_SIZES.items():
        found[f"dinov2_{size}"] = Entry(vit.dinov2, "Dinov2Config", names.DINOV2, common | settings)
        found[f"dinov2_{size}_registers"] = Entry(
            vit.dinov2_registers, "Dinov2WithRegistersConfig", names.DINOV2, common | settings
        )
    return found


def _dinov3() -> dict[str, Entry]:
    found = {}
    for letter, size in zip("sbl", VIT_SIZES, strict=True):
        settings = VIT_SIZES[size] | {"num_register_tokens": 4, "drop_path_rate": 0.0}
        settings["intermediate_size"] = 4 * settings["hidden_size"]
        found[f"dinov3_vit{letter}16"] = Entry(
            vit.dinov3, "DINOv3ViTConfig", names.DINOV3_VIT, settings
        )
    convnext = {
        "tiny": ([3, 3, 9, 3], 96),
        "small": ([3, 3, 27, 3], 96),
        "base": ([3, 3, 27, 3], 128),
        "large": ([3, 3, 27, 3], 192),
    }
    for size, (depths, width) in convnext.items():
        settings = {"depths": depths, "hidden_sizes": [width * 2**i for i in range(4)]}
        found[f"dinov3_convnext_{size}"] = Entry(
            hierarchical.ConvNextEncoder,
            "DINOv3ConvNextConfig",
            names.DINOV3_CONVNEXT,
            settings | {"drop_path_rate": 0.0},
        )
    return found


def _hiera() -> dict[str, Entry]:
    sizes = {
        "tiny": (96, [1, 2, 7, 2], [1, 2, 4, 8]),
        "small": (96, [1, 2, 11, 2], [1, 2, 4, 8]),
        "base": (96, [2, 3, 16, 3], [1, 2, 4, 8]),
        "base_plus": (112, [2, 3, 16, 3], [2, 4, 8, 16]),
        "large": (144, [2, 6, 36, 4], [2, 4, 8, 16]),
    }
    found = {}
    for size, (width, depths, heads) in sizes.items():
        settings = {"embed_dim": width, "depths": depths, "num_heads": heads}
        layout = names.HIERA
        found[f"hiera_{size}"] = Entry(hierarchical.HieraEncoder, "HieraConfig", layout, settings)
    for size, settings in sam2.VARIANTS.items():
        found[f"sam2_hiera_{size}"] = Entry(
            hierarchical.Sam2HieraEncoder, "Sam2HieraDetConfig", names.SAM2_HIERA, settings
        )
    return found


def _others() -> dict[str, Entry]:
    swin = partial(Entry, hierarchical.SwinEncoder, "SwinConfig", names.SWIN)
    resnet = partial(Entry, hierarchical.ResNetEncoder, "ResNetConfig", names.RESNET)
    base = VIT_SIZES["base"] | {"layer_norm_eps": 1e-6}
    basic = {
        "layer_type": "basic",
        "depths": [2, 2, 2, 2],
        "hidden_sizes": [64, 128, 256, 512],
    }
    bottleneck = {"depths": [3, 4, 6, 3], "hidden_sizes": [256, 512, 1024, 2048]}
    beit = {
        "use_relative_position_bias": True,
        "use_mean_pooling": False,  # the norm is then on every token, not on their mean
        "layer_scale_init_value": 0.1,
        "drop_path_rate": 0.0,
    }
    swin_base = {"embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32]}
    return {
        "swin_tiny": swin({"drop_path_rate": 0.0}),
        "swin_base": swin(swin_base | {"drop_path_rate": 0.0}),
        "usfm_base": Entry(vit.usfm, "BeitConfig", names.USFM, base | beit),
        "mae_base": Entry(vit.mae, "ViTConfig", names.MAE, base),
        "resnet18": resnet(basic),
        "resnet50": resnet(bottleneck),
        "vfm4us_resnet18": resnet(basic),
    }


ENCODERS: dict[str, Entry] = _dinov2() | _dinov3() | _hiera() | _others()
"""Encoders by name. Sizes and settings are those of the published weights, but "sam2_hiera_nano",
which is this project's (sam2.py); stochastic depth is off unless `drop_path_rate` is given."""
