"""Training config of each row of a comparison, and properties that its runs need."""

import copy
import inspect
from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig, ListConfig, OmegaConf
from torch import nn

from lgrseg.config import PARTIAL, TARGET, L, instantiate, load_config, locate
from lgrseg.data import ClipMapper, FixedCopies
from lgrseg.modeling.foundation import (
    Encoder,
    FoundationBackbone,
    ResizedPyramid,
    ViTPyramid,
    frozen,
)
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter
from lgrseg.studies.comparison.cached import build_frozen_encoder
from lgrseg.studies.comparison.encoder_settings import check_shared_model, encoder_of_row
from lgrseg.studies.comparison.feature_store import weights_hash
from lgrseg.studies.comparison.rows import Row

OF_TRAIN = ("clip_norm", "find_unused_parameters")
OF_A_WHOLE_CONFIG = ("model", "optimizer", "schedule", *(f"train.{key}" for key in OF_TRAIN))
"""Settings taken from a whole config; all others are shared by all rows."""


@dataclass
class Prepared:
    """A row with everything that its runs need."""

    row: Row
    cfg: DictConfig
    """Config of a run, without folder, seed and label fraction."""
    encoder_hash: str | None = None
    """SHA-256 of the encoder's weights before training; None if these are random and trained."""
    is_cached: bool = False
    """True if the encoder is frozen and its features are cached."""
    bytes_per_frame: int = 0
    """Size of the features of one frame as float32, in bytes."""
    random_frozen: bool = False
    """True if frozen weights are random, so that scores do not describe the backbone."""
    blocks: str | None = None
    """Text: the encoder's blocks whose output is used; None for a whole config."""

    @property
    def features_name(self) -> str:
        """First part of the name of the features' folder."""
        return self.row.encoder or self.row.name


def with_fixed_copies(cfg: DictConfig, copies: int) -> DictConfig:
    """Use `FixedCopies` for every mapper: K augmented copies in training, none in tests.

    Raises:
        ValueError: a mapper is not a ClipMapper.
    """
    cfg = copy.deepcopy(cfg)
    loaders = [
        (cfg.dataloader.train, copies),
        *((test, 0) for test in cfg.dataloader.test.values()),
    ]
    plain, fixed = (f"{c.__module__}.{c.__qualname__}" for c in (ClipMapper, FixedCopies))
    for loader, number in loaders:
        if loader.mapper[TARGET] not in (plain, fixed):
            raise ValueError(
                f"clips of a {loader.mapper[TARGET]} have no key and cannot be cached; use a "
                "ClipMapper to compare backbones"
            )
        loader.mapper[TARGET] = fixed
        loader.mapper.copies = number
    return cfg


def prepare(row: Row, cfg: DictConfig) -> Prepared:
    """Make the config of a row's runs with a frozen encoder; builds its model once.

    Args:
        row: row to prepare.
        cfg: shared config with fixed copies.

    Raises:
        ValueError, FileNotFoundError: the name is unknown, the weights do not match, the head
            cannot read the backbone's maps, or settings would have no effect.
    """
    cfg = copy.deepcopy(cfg)
    if row.config is not None:
        prepared, model = _whole_config(row, row.config, cfg)
        encoder = getattr(getattr(model, "backbone", None), "encoder", None)
        if type(model) is not PerPixelSegmenter or not _is_frozen(encoder):
            return prepared
        return _with_cache(prepared, build_frozen_encoder(cfg.model.backbone.encoder))
    check_shared_model(cfg.get("model"), row)
    described = L(frozen)(encoder=encoder_of_row(row, cfg.model))
    encoder = build_frozen_encoder(described)
    prepared = _with_encoder(row, cfg, described, encoder)
    prepared.random_frozen = row.weights is None
    return _with_cache(prepared, encoder)


def prepare_fine_tuned(row: Row, cfg: DictConfig) -> Prepared:
    """Make the config of a row's runs whose encoder is trained too, without cached features.

    Args:
        row: row to prepare.
        cfg: shared config with its random augmentation.

    Raises:
        ValueError, FileNotFoundError: as in `prepare`.
    """
    cfg = copy.deepcopy(cfg)
    if row.config is not None:
        return _whole_config(row, row.config, cfg)[0]
    check_shared_model(cfg.get("model"), row)
    described = encoder_of_row(row, cfg.model)
    encoder = instantiate(described)
    prepared = _with_encoder(row, cfg, described, encoder)
    prepared.encoder_hash = weights_hash(encoder) if row.weights else None
    return prepared


def _with_encoder(row: Row, cfg: DictConfig, described: DictConfig, encoder: Encoder) -> Prepared:
    """Put an encoder into the shared model, whose neck and head are changed to read its maps."""
    neck = _neck(cfg, encoder)
    backbone = FoundationBackbone(encoder=encoder, neck=instantiate(neck))
    cfg.model.backbone = L(FoundationBackbone)(encoder=described, neck=neck)
    if not cfg.model.head.get(PARTIAL):  # otherwise it is made for the maps
        cfg.model.head.in_channels = _in_channels(cfg.model.head, backbone.channels)
    return Prepared(row, cfg, blocks=_blocks(encoder))


def _with_cache(prepared: Prepared, encoder: Encoder) -> Prepared:
    """Add the hash of a frozen encoder, and the size of its features, which are cached."""
    height, width = (size + -size % 32 for size in prepared.cfg.dataloader.train.mapper.input_size)
    with torch.no_grad():
        maps = encoder(torch.zeros(1, 3, height, width))
    prepared.encoder_hash, prepared.is_cached = weights_hash(encoder), True
    prepared.bytes_per_frame = 4 * sum(values.numel() for values in maps)
    return prepared


def _blocks(encoder: Encoder) -> str:
    """Text: blocks whose output is used, counted from 1."""
    if len(set(encoder.strides)) > 1:
        return f"after each of {len(encoder.strides)} stages"
    depth = len(encoder.blocks)
    layers = getattr(encoder, "layers", None) or [depth - 1]
    return f"after {', '.join(str(layer + 1) for layer in layers)} of {depth} blocks"


def _neck(cfg: DictConfig, encoder: Encoder) -> DictConfig | None:
    """Config of the pyramid for the encoder's maps; None for an encoder with stages."""
    shared: DictConfig | None = cfg.model.get("backbone", {}).get("neck")
    if shared is not None and shared.get(PARTIAL):  # a neck for any encoder
        return shared
    if len(set(encoder.strides)) > 1:
        return None
    neck = shared or {TARGET: ""}
    pyramids = [f"{c.__module__}.{c.__qualname__}" for c in (ViTPyramid, ResizedPyramid)]
    neck = dict(neck) if neck[TARGET] in pyramids else {TARGET: pyramids[0]}
    maps = {"in_channels": encoder.channels[-1], "stride": encoder.strides[-1]}
    return OmegaConf.create(neck | maps)


def _in_channels(head: DictConfig, channels: dict[str, int]):
    """Set `in_channels` of the head for other maps.

    Raises:
        ValueError: the head reads a map that does not exist.
    """
    names, of_one_map = head.in_channels, isinstance(head.in_channels, int)
    remedy = ""
    if of_one_map:
        parameter = inspect.signature(locate(head[TARGET])).parameters.get("feature")
        names = [head.get("feature", parameter.default if parameter else "")]
        remedy = "set model.head.feature to one of these, or "
    if missing := [name for name in names if name not in channels]:
        raise ValueError(
            f"the shared config's {head[TARGET].rpartition('.')[2]} reads {', '.join(missing)}, "
            f"but the compared encoders' maps are {', '.join(channels)}: {remedy}use a config "
            "with another head (configs/baselines/pvt_fpn.py)"
        )
    selected = {name: channels[name] for name in names}
    return selected[names[0]] if of_one_map else selected


def _whole_config(row: Row, path: Path, cfg: DictConfig) -> tuple[Prepared, nn.Module]:
    """Use model and optimiser of another config; data and number of steps are shared.

    Returns:
        The row and its model. If its encoder is completely frozen, such as the interleaved one,
        `prepare` caches its features too.

    Raises:
        ValueError: an override of a shared setting, or a config without a model.
    """
    for override in row.overrides:
        key = override.partition("=")[0]
        if not any(f"{key}.".startswith(f"{key_of_row}.") for key_of_row in OF_A_WHOLE_CONFIG):
            raise ValueError(
                f"{override} of {row.name} would have no effect: only "
                f"{', '.join(OF_A_WHOLE_CONFIG)} are taken from a whole config, all others are "
                "shared: give it as a separate argument"
            )
    other = load_config(path, row.overrides)
    for key in ("model", "optimizer", "schedule", "train"):
        if key not in other:
            raise ValueError(f"{path} has no {key!r}: it is not a config of a whole model")
    for key in ("model", "optimizer", "schedule"):
        cfg[key] = other[key]
    for key in OF_TRAIN:
        if key in other.train:
            cfg.train[key] = other.train[key]
    model = instantiate(cfg.model)
    has_frozen = any(not parameter.requires_grad for parameter in model.parameters())
    random = has_frozen and bool(_without_weights(cfg.model))
    return Prepared(row, cfg, random_frozen=random), model


def _is_frozen(encoder: nn.Module | None) -> bool:
    return encoder is not None and not any(p.requires_grad for p in encoder.parameters())


def _without_weights(node) -> list[str]:
    """Targets in a model's config that could load weights from a file, but do not."""
    if isinstance(node, ListConfig):
        return [targets for item in node for targets in _without_weights(item)]
    if not isinstance(node, DictConfig):
        return []
    targets = [target for key in node for target in _without_weights(node[key])]
    if TARGET in node and "weights" in inspect.signature(locate(node[TARGET])).parameters:
        targets += [node[TARGET]] * (not node.get("weights"))
    return targets
