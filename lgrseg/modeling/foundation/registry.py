"""Registry of all pretrained encoders by name, with builder, settings and layout of weights.

encoder = build_encoder("dinov2_small", weights="weights/dinov2_vits14_pretrain.pth")
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lgrseg.checkpoint.pretrained import local_file
from lgrseg.config import did_you_mean
from lgrseg.modeling.foundation import efficientnet_lite, hiera, hierarchical, layouts, vit
from lgrseg.modeling.foundation.encoder import Encoder, TransformersEncoder
from lgrseg.modeling.foundation.loading import load_encoder_weights
from lgrseg.modeling.foundation.recomputing import mark_recomputable
from lgrseg.modeling.foundation.stochastic_depth import add_drop_paths
from lgrseg.modeling.sam2 import network as sam2

VIT_SIZES = {
    "small": {"hidden_size": 384, "num_attention_heads": 6, "num_hidden_layers": 12},
    "base": {"hidden_size": 768, "num_attention_heads": 12, "num_hidden_layers": 12},
    "large": {"hidden_size": 1024, "num_attention_heads": 16, "num_hidden_layers": 24},
}


@dataclass(frozen=True)
class Entry:
    """One encoder of the registry."""

    build: Callable[..., TransformersEncoder]
    config: str | None
    """Name of transformers' config class; None for a network without settings."""
    layout: layouts.Layout
    """Layout of the published weights."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings that differ from the defaults of the config class."""
    imagenet: Callable[[], Path] | None = None
    """Function that finds the weights "imagenet" in an installed package."""


def build_encoder(
    name: str,
    *,
    weights: str | None = None,
    layers: tuple[int, ...] | None = None,
    maps_at: Sequence[float] | None = None,
    **overrides: Any,
) -> Encoder:
    """Build a pretrained encoder, or the same network with random weights.

    Args:
        name: name of the encoder, a key of `ENCODERS`.
        weights: path of a .safetensors file, of the authors' .pth file or of a folder with
            model.safetensors; or an id of the Hugging Face hub; "imagenet" for the weights of the
            extra `pretrained` (only efficientnet_lite0); None for random weights.
        layers: indices of the blocks of a plain transformer whose outputs are the maps (from 0, -1
            is the last); None means one map, from the last block.
        maps_at: shares of the depth of a plain transformer after which it has a map, above 0 to 1:
            [0.33, 0.5, 0.67, 1.0] are blocks 3, 5, 7 and 11 of 12. For configs of any encoder: one
            with stages has a map after each stage anyway. Not with `layers`.
        overrides: settings of transformers' config, such as `image_size=448`. All encoders have
            `drop_path_rate`; those without it in their config, as in stochastic_depth.py.

    Raises:
        ValueError: the name or a setting is unknown, or `layers` are given for an encoder with
            stages, or together with `maps_at`.
        FileNotFoundError: the weights do not exist, or the hub id cannot be downloaded.
        CheckpointError: the weights belong to another model or size.
    """
    if name not in ENCODERS:
        raise ValueError(
            f"there is no encoder {name!r}{did_you_mean(name, ENCODERS)}; available are: "
            f"{', '.join(ENCODERS)}"
        )
    entry = ENCODERS[name]
    skipping = _own_drop_paths(entry, overrides)
    _check_settings(name, entry, overrides)
    is_plain = "layers" in inspect.signature(entry.build).parameters
    if maps_at is not None:
        if layers is not None:
            raise ValueError("give layers or maps_at, not both")
        if is_plain:
            layers = _layers_at(maps_at, (entry.settings | overrides)["num_hidden_layers"])
    if layers is not None:
        if not is_plain:
            raise ValueError(
                f"{name} already has four stages; layers are only for plain transformers"
            )
        overrides["layers"] = tuple(layers)
    file = _weight_file(name, weights)  # before the model is built, which takes time
    encoder = entry.build(**(entry.settings | overrides))
    if file is not None:
        siblings = [other for other in ENCODERS if ENCODERS[other].layout is entry.layout]
        load_encoder_weights(encoder, file, name=name, layout=entry.layout, siblings=siblings)
    if skipping:
        add_drop_paths(encoder, skipping)
    mark_recomputable(encoder)
    return encoder


def _own_drop_paths(entry: Entry, overrides: dict[str, Any]) -> float:
    """Check `drop_path_rate`, and take it out of the settings of a network that has none.

    Raises:
        ValueError: the rate is no probability; transformers accepts every number.
    """
    rate = overrides.get("drop_path_rate", 0.0)
    if not 0 <= rate < 1:
        raise ValueError(f"drop_path_rate={rate}: it is a probability, 0 to below 1")
    return 0.0 if "drop_path_rate" in _defaults(entry) else overrides.pop("drop_path_rate", 0.0)


def _layers_at(shares: Sequence[float], depth: int) -> tuple[int, ...]:
    if any(not 0 < share <= 1 for share in shares):
        raise ValueError(f"maps_at are shares of the depth, above 0 to 1, not {list(shares)}")
    return tuple(max(1, round(share * depth)) - 1 for share in shares)


def _weight_file(name: str, weights: str | None) -> Path | None:
    if weights != "imagenet":
        return local_file(str(weights)) if weights else None
    find = ENCODERS[name].imagenet
    if find is None:
        possible = [other for other, entry in ENCODERS.items() if entry.imagenet]
        raise ValueError(
            f'weights="imagenet" is only for {", ".join(possible)}, whose weights are a package; '
            f"give the file of the weights of {name}"
        )
    return find()


def _check_settings(name: str, entry: Entry, overrides: dict[str, Any]) -> None:
    settings = [*_defaults(entry), "drop_path_rate", "layers", "maps_at", "weights"]
    for key in overrides:
        if key not in settings:
            raise ValueError(f"{name} has no setting {key!r}{did_you_mean(key, settings)}")


def _defaults(entry: Entry) -> dict[str, Any]:
    """Settings of transformers' config with their defaults; none for a network without a config."""
    import transformers

    return vars(getattr(transformers, entry.config)()) if entry.config else {}


def _dinov2() -> dict[str, Entry]:
    entries = {}
    common = {"image_size": 518, "patch_size": 14, "drop_path_rate": 0.0}
    for size, settings in VIT_SIZES.items():
        entries[f"dinov2_{size}"] = Entry(
            vit.dinov2, "Dinov2Config", layouts.DINOV2, common | settings
        )
        entries[f"dinov2_{size}_registers"] = Entry(
            vit.dinov2_registers, "Dinov2WithRegistersConfig", layouts.DINOV2, common | settings
        )
    return entries


def _dinov3() -> dict[str, Entry]:
    entries = {}
    for letter, size in zip("sbl", VIT_SIZES, strict=True):
        settings = VIT_SIZES[size] | {"num_register_tokens": 4, "drop_path_rate": 0.0}
        settings["intermediate_size"] = 4 * settings["hidden_size"]
        entries[f"dinov3_vit{letter}16"] = Entry(
            vit.dinov3, "DINOv3ViTConfig", layouts.DINOV3_VIT, settings
        )
    convnext = {
        "tiny": ([3, 3, 9, 3], 96),
        "small": ([3, 3, 27, 3], 96),
        "base": ([3, 3, 27, 3], 128),
        "large": ([3, 3, 27, 3], 192),
    }
    for size, (depths, width) in convnext.items():
        stages = {"depths": depths, "hidden_sizes": [width * 2**i for i in range(4)]}
        entries[f"dinov3_convnext_{size}"] = Entry(
            hierarchical.ConvNextEncoder,
            "DINOv3ConvNextConfig",
            layouts.DINOV3_CONVNEXT,
            stages | {"drop_path_rate": 0.0},
        )
    return entries


def _hiera() -> dict[str, Entry]:
    sizes = {
        "tiny": (96, [1, 2, 7, 2], [1, 2, 4, 8]),
        "small": (96, [1, 2, 11, 2], [1, 2, 4, 8]),
        "base": (96, [2, 3, 16, 3], [1, 2, 4, 8]),
        "base_plus": (112, [2, 3, 16, 3], [2, 4, 8, 16]),
        "large": (144, [2, 6, 36, 4], [2, 4, 8, 16]),
    }
    entries = {}
    for size, (width, depths, heads) in sizes.items():
        settings = {"embed_dim": width, "depths": depths, "num_heads": heads}
        layout = layouts.HIERA
        entries[f"hiera_{size}"] = Entry(hiera.HieraEncoder, "HieraConfig", layout, settings)
    for size, settings in sam2.VARIANTS.items():
        entries[f"sam2_hiera_{size}"] = Entry(
            hierarchical.Sam2HieraEncoder, "Sam2HieraDetConfig", layouts.SAM2_HIERA, settings
        )
    return entries


def _others() -> dict[str, Entry]:
    swin = partial(Entry, hierarchical.SwinEncoder, "SwinConfig", layouts.SWIN)
    resnet = partial(Entry, hierarchical.ResNetEncoder, "ResNetConfig", layouts.RESNET)
    base = VIT_SIZES["base"] | {"layer_norm_eps": 1e-6}
    basic = {
        "layer_type": "basic",
        "depths": [2, 2, 2, 2],
        "hidden_sizes": [64, 128, 256, 512],
    }
    bottleneck = {"depths": [3, 4, 6, 3], "hidden_sizes": [256, 512, 1024, 2048]}
    beit = {
        "use_relative_position_bias": True,
        "use_mean_pooling": False,  # the norm is then applied to every token, not to their mean
        "layer_scale_init_value": 0.1,
        "drop_path_rate": 0.0,
    }
    tiny = {"hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768}
    small = VIT_SIZES["small"] | {"intermediate_size": 1536}
    swin_base = {"embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32]}
    return {
        "swin_tiny": swin({"drop_path_rate": 0.0}),
        "swin_base": swin(swin_base | {"drop_path_rate": 0.0}),
        "usfm_tiny": Entry(vit.usfm, "BeitConfig", layouts.USFM, base | beit | tiny),
        "usfm_small": Entry(vit.usfm, "BeitConfig", layouts.USFM, base | beit | small),
        "usfm_base": Entry(vit.usfm, "BeitConfig", layouts.USFM, base | beit),
        "mae_tiny": Entry(vit.mae, "ViTConfig", layouts.MAE, base | tiny),
        "mae_small": Entry(vit.mae, "ViTConfig", layouts.MAE, base | small),
        "mae_base": Entry(vit.mae, "ViTConfig", layouts.MAE, base),
        "resnet18": resnet(basic),
        "resnet50": resnet(bottleneck),
        "vfm4us_resnet18": resnet(basic),
        "efficientnet_lite0": Entry(
            efficientnet_lite.EfficientNetLiteEncoder,
            None,
            layouts.EFFICIENTNET_LITE,
            imagenet=efficientnet_lite.imagenet_file,
        ),
    }


ENCODERS: dict[str, Entry] = _dinov2() | _dinov3() | _hiera() | _others()
"""Encoders by name. Sizes and settings are those of the published weights, except for
"sam2_hiera_nano" (sam2.py), "usfm_tiny", "usfm_small", "mae_tiny" and "mae_small" (for
lgrseg/modeling/pretraining), which belong to this project. Stochastic depth is off unless
`drop_path_rate` is given."""
