"""Configs: lazy Python files and YAML, trusted packages, and type checks of settings.

    from lgrseg.config import L, instantiate, load_config
    from lgrseg.modeling import PVTv2

    part = L(PVTv2)(variant="b2")                 # nothing is built here
    part.variant = "b0"                           # still editable
    backbone = instantiate(part)                  # built here
    cfg = load_config("configs/lgrnet/demo.py", ["train.max_iter=20"])

The idea and the names are detectron2's LazyConfig; see lazy.py.
"""

from lgrseg.config.lazy import (
    DATASETS,
    ConfigError,
    L,
    instantiate,
    load_asked_config,
    load_config,
    save_config,
    weights_of,
    without_weights,
)
from lgrseg.config.plain import as_dict
from lgrseg.config.python_files import PARTS, ROLES, shipped_configs
from lgrseg.config.suggestions import did_you_mean
from lgrseg.config.targets import PARTIAL, TARGET, locate

LazyCall = L
"""The name of `L` in detectron2."""

__all__ = [
    "DATASETS",
    "PARTIAL",
    "PARTS",
    "ROLES",
    "TARGET",
    "ConfigError",
    "L",
    "LazyCall",
    "as_dict",
    "did_you_mean",
    "instantiate",
    "load_asked_config",
    "load_config",
    "locate",
    "save_config",
    "shipped_configs",
    "weights_of",
    "without_weights",
]
