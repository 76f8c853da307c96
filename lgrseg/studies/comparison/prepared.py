"""The config that each row of a comparison is trained with, and what its runs need to know."""

import copy
import inspect
from dataclasses import dataclass

import torch
from omegaconf import DictConfig, ListConfig, OmegaConf
from torch import nn

from lgrseg.config import TARGET, L, instantiate, load_config, locate
from lgrseg.data import ClipMapper, FixedCopies
from lgrseg.modeling.foundation import FoundationBackbone, ResizedPyramid, ViTPyramid, frozen
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter
from lgrseg.studies.comparison.cached import build_frozen_encoder
from lgrseg.studies.comparison.encoder_settings import check_shared_model, encoder_of_row
from lgrseg.studies.comparison.feature_store import weights_hash
from lgrseg.studies.comparison.rows import Row

OF_TRAIN = ("clip_norm", "find_unused_parameters")
OF_A_WHOLE_CONFIG = ("model", "optimizer", "schedule", *(f"train.{key}" for key in OF_TRAIN))
"""What a whole config brings along; all else is everybody's."""


@dataclass
class Prepared:
    """A row with all that its runs need."""

    row: Row
    cfg: DictConfig
    """Of a run, but for its folder, seed and label fraction."""
    encoder_hash: str | None = None
    """SHA-256 of the frozen encoder's weights; None where no features are kept."""
    bytes_per_frame: int = 0
    """Of its features as float32."""
    random_frozen: bool = False
    """Weights that are frozen are random: its scores say nothing of the backbone."""
    blocks: str | None = None
    """After which of the encoder's blocks maps are taken, in words; None for a whole config."""

    @property
    def features_name(self) -> str:
        """What the folder of its features begins with."""
        return self.row.encoder or self.row.name


def with_fixed_copies(cfg: DictConfig, copies: int) -> DictConfig:
    """The config with `FixedCopies` for every mapper: K copies in training, none in tests.

    Raises:
        ValueError: a mapper that is no ClipMapper.
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
                f"clips of a {loader.mapper[TARGET]} cannot be named and kept; backbones are "
                "compared on those of a ClipMapper"
            )
        loader.mapper[TARGET] = fixed
        loader.mapper.copies = number
    return cfg


def prepare(row: Row, cfg: DictConfig) -> Prepared:
    """The config of a row's runs; its model is built once to see what it gives.

    Args:
        row: to prepare.
        cfg: what all share, with fixed copies.

    Raises:
        ValueError, FileNotFoundError: unknown name, weights that do not fit, a head that does not
            take the backbone's maps, settings that would have no effect.
    """
    cfg = copy.deepcopy(cfg)
    if row.config is not None:
        return _whole_config(row, cfg)
    check_shared_model(cfg.get("model"), row)
    described = L(frozen)(encoder=encoder_of_row(row, cfg.model))
    encoder = build_frozen_encoder(described)
    neck = _neck(cfg, encoder)
    backbone = FoundationBackbone(encoder=encoder, neck=instantiate(neck))
    cfg.model.backbone = L(FoundationBackbone)(encoder=described, neck=neck)
    cfg.model.head.in_channels = _in_channels(cfg.model.head, backbone.channels)
    random, blocks = row.weights is None, _blocks(encoder)
    return _with_encoder(Prepared(row, cfg, random_frozen=random, blocks=blocks), encoder)


def _with_encoder(prepared: Prepared, encoder: nn.Module) -> Prepared:
    """With the hash and the size of what can be kept."""
    height, width = (size + -size % 32 for size in prepared.cfg.dataloader.train.mapper.input_size)
    with torch.no_grad():
        maps = encoder(torch.zeros(1, 3, height, width))
    prepared.encoder_hash = weights_hash(encoder)
    prepared.bytes_per_frame = 4 * sum(values.numel() for values in maps)
    return prepared


def _blocks(encoder: nn.Module) -> str:
    """After which blocks maps are taken, counted from 1, in words."""
    if len(set(encoder.strides)) > 1:
        return f"after each of {len(encoder.strides)} stages"
    depth = len(encoder.blocks)
    layers = [layer + 1 for layer in encoder.layers or [depth - 1]]
    return f"after {', '.join(map(str, layers))} of {depth} blocks"


def _neck(cfg: DictConfig, encoder: nn.Module) -> DictConfig | None:
    """The config's pyramid, set to the encoder's maps; none for an encoder that has stages."""
    if len(set(encoder.strides)) > 1:
        return None
    neck = cfg.model.get("backbone", {}).get("neck") or {TARGET: ""}
    known = [f"{c.__module__}.{c.__qualname__}" for c in (ViTPyramid, ResizedPyramid)]
    neck = dict(neck) if neck[TARGET] in known else {TARGET: known[0]}
    maps = {"in_channels": encoder.channels[-1], "stride": encoder.strides[-1]}
    return OmegaConf.create(neck | maps)


def _in_channels(head: DictConfig, channels: dict[str, int]):
    """The head's own setting, for other maps.

    Raises:
        ValueError: it reads a map that there is not.
    """
    names, of_one_map = head.in_channels, isinstance(head.in_channels, int)
    remedy = ""
    if of_one_map:
        known = inspect.signature(locate(head[TARGET])).parameters.get("feature")
        names = [head.get("feature", known.default if known else "")]
        remedy = "set model.head.feature to one of these, or "
    if missing := [name for name in names if name not in channels]:
        raise ValueError(
            f"the shared config's {head[TARGET].rpartition('.')[2]} reads {', '.join(missing)}, "
            f"and the compared encoders' maps are {', '.join(channels)}: {remedy}take a config "
            "with another head (configs/baselines/pvt_fpn_camus.py)"
        )
    found = {name: channels[name] for name in names}
    return found[names[0]] if of_one_map else found


def _whole_config(row: Row, cfg: DictConfig) -> Prepared:
    """The model of another config, with its own optimiser; data and steps are everybody's.

    Where its encoder is frozen as a whole, as the interleaved one's, its features are kept too.

    Raises:
        ValueError: an override of what is everybody's, or a config without a model.
    """
    for override in row.overrides:
        key = override.partition("=")[0]
        if not any(f"{key}.".startswith(f"{own}.") for own in OF_A_WHOLE_CONFIG):
            raise ValueError(
                f"{override} of {row.name} would have no effect: a whole config brings "
                f"{', '.join(OF_A_WHOLE_CONFIG)} along, and all else is everybody's: give it as a "
                "word of its own"
            )
    other = load_config(row.config, row.overrides)
    for key in ("model", "optimizer", "schedule", "train"):
        if key not in other:
            raise ValueError(f"{row.config} has no {key!r}: it is no config of a whole model")
    for key in ("model", "optimizer", "schedule"):
        cfg[key] = other[key]
    for key in OF_TRAIN:
        if key in other.train:
            cfg.train[key] = other.train[key]
    model = instantiate(cfg.model)
    has_frozen = any(not parameter.requires_grad for parameter in model.parameters())
    random = has_frozen and bool(_without_weights(cfg.model))
    prepared = Prepared(row, cfg, random_frozen=random)
    encoder = getattr(getattr(model, "backbone", None), "encoder", None)
    if type(model) is not PerPixelSegmenter or not _is_frozen(encoder):
        return prepared
    return _with_encoder(prepared, build_frozen_encoder(cfg.model.backbone.encoder))


def _is_frozen(encoder: nn.Module | None) -> bool:
    return encoder is not None and not any(p.requires_grad for p in encoder.parameters())


def _without_weights(node) -> list[str]:
    """Targets in a model's config that could start from weights of a file, and do not."""
    if isinstance(node, ListConfig):
        return [found for item in node for found in _without_weights(item)]
    if not isinstance(node, DictConfig):
        return []
    found = [target for key in node for target in _without_weights(node[key])]
    if TARGET in node and "weights" in inspect.signature(locate(node[TARGET])).parameters:
        found += [node[TARGET]] * (not node.get("weights"))
    return found
