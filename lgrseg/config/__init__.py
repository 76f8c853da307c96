"""Configs: lazy Python files and YAML, trusted targets, and type checks of settings."""

from lgrseg.config.lazy import (
    DATASETS,
    PARTS,
    ConfigError,
    L,
    instantiate,
    load_asked_config,
    load_config,
    save_config,
    shipped_configs,
    without_weights,
)
from lgrseg.config.suggestions import did_you_mean
from lgrseg.config.targets import PARTIAL, TARGET, locate

LazyCall = L
"""detectron2's name of L."""

__all__ = [
    "DATASETS",
    "PARTIAL",
    "PARTS",
    "TARGET",
    "ConfigError",
    "L",
    "LazyCall",
    "did_you_mean",
    "instantiate",
    "load_asked_config",
    "load_config",
    "locate",
    "save_config",
    "shipped_configs",
    "without_weights",
]
