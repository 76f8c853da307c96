"""What is compared: rows as they are asked for, and the config that each is trained with."""

import copy
import inspect
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig, ListConfig, OmegaConf
from torch import nn

from lgrseg.comparison.cached import build_frozen_encoder
from lgrseg.comparison.feature_store import weights_hash
from lgrseg.config import PARTIAL, TARGET, L, instantiate, load_config, locate
from lgrseg.data import ClipMapper, FixedCopies
from lgrseg.modeling.foundation import (
    FoundationBackbone,
    ResizedPyramid,
    ViTPyramid,
    build_encoder,
    frozen,
)
from lgrseg.modeling.per_pixel import PerPixelSegmenter

WHOLE_CONFIG = "config:"


@dataclass(frozen=True)
class Row:
    """One thing that is compared."""

    name: str
    """Of its runs' folder and in the table."""
    encoder: str | None = None
    """Of `build_encoder`; None where a whole config is compared."""
    weights: str | None = None
    """File of the encoder's weights; None for random ones."""
    config: Path | None = None
    """Of a whole model."""

    @classmethod
    def parse(cls, text: str) -> "Row":
        """`name`, `name=weights` or `config:path`."""
        if text.startswith(WHOLE_CONFIG):
            path = Path(text.removeprefix(WHOLE_CONFIG))
            return cls(path.stem, config=path)
        encoder, _, weights = text.partition("=")
        return cls(encoder, encoder, weights or None)


def parse_rows(texts: list[str]) -> list[Row]:
    """Rows of different names; the same encoder with several weights is named after the files.

    Raises:
        ValueError: two rows of one name.
    """
    rows = [Row.parse(text) for text in texts]
    encoders = [row.encoder for row in rows if row.encoder]
    named = []
    for row in rows:
        name = row.name
        if row.weights and encoders.count(row.encoder) > 1:
            name = f"{name}_{Path(row.weights).stem}"
        name = re.sub(r"[^\w.-]", "_", name)
        named.append(Row(name, row.encoder, row.weights, row.config))
    names = [row.name for row in named]
    if len(set(names)) < len(names):
        raise ValueError(f"runs are named after what is compared, which must differ: {names}")
    return named


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
            take the backbone's maps.
    """
    cfg = copy.deepcopy(cfg)
    if row.config is not None:
        return _whole_config(row, cfg)
    described = L(frozen)(encoder=_encoder(row, cfg))
    encoder = build_frozen_encoder(described)
    neck = _neck(cfg, encoder)
    backbone = FoundationBackbone(encoder=encoder, neck=instantiate(neck))
    cfg.model.backbone = L(FoundationBackbone)(encoder=described, neck=neck)
    cfg.model.head.in_channels = _in_channels(cfg.model.head, backbone.channels)
    return _with_encoder(Prepared(row, cfg, random_frozen=row.weights is None), encoder)


def _with_encoder(prepared: Prepared, encoder: nn.Module) -> Prepared:
    """With the hash and the size of what can be kept."""
    height, width = (size + -size % 32 for size in prepared.cfg.dataloader.train.mapper.input_size)
    with torch.no_grad():
        maps = encoder(torch.zeros(1, 3, height, width))
    prepared.encoder_hash = weights_hash(encoder)
    prepared.bytes_per_frame = 4 * sum(values.numel() for values in maps)
    return prepared


def _encoder(row: Row, cfg: DictConfig) -> DictConfig:
    """`build_encoder` of the row, with what else the config sets for its own encoder."""
    own = cfg.model.get("backbone", {}).get("encoder")
    while own is not None and own[TARGET] != L(build_encoder)(name="")[TARGET]:
        own = own.get("encoder")  # of frozen(encoder=...)
    kept = {} if own is None else {k: v for k, v in own.items() if k not in (TARGET, PARTIAL)}
    return L(build_encoder)(**{**kept, "name": row.encoder, "weights": row.weights})


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
    """The head's own setting, for other maps."""
    if not isinstance(head.in_channels, int):
        return {name: channels[name] for name in head.in_channels}
    default = inspect.signature(locate(head[TARGET])).parameters["feature"].default
    return channels[head.get("feature", default)]


def _whole_config(row: Row, cfg: DictConfig) -> Prepared:
    """The model of another config, with its own optimiser; data and steps are everybody's.

    Where its encoder is frozen as a whole, as the interleaved one's, its features are kept too.
    """
    other = load_config(row.config)
    for key in ("model", "optimizer", "schedule"):
        cfg[key] = other[key]
    for key in ("clip_norm", "find_unused_parameters"):
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
