"""Lazy configs: a config file is a Python module whose objects are described, not built.

    from lgrseg.config import L, instantiate, load_config
    from lgrseg.modeling import PVTv2

    part = L(PVTv2)(variant="b2")                 # nothing is built here
    part.variant = "b0"                           # still editable
    backbone = instantiate(part)                  # built here
    cfg = load_config("configs/lgrnet/demo.py", ["train.max_iter=20"])

The idea and the names are from detectron2's LazyConfig. Differences:
    * an unknown key is an error, which suggests the nearest known key;
    * a config contains only data, so every config can be saved as YAML and loaded again;
    * a relative import runs the imported file again, so two configs that edit the same imported
      part do not affect each other.
"""

import argparse
import copy
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from lgrseg.config.choices import Choices, load_chosen, read_choices
from lgrseg.config.overrides import apply_override
from lgrseg.config.plain import as_dict
from lgrseg.config.python_files import DATASET, find_config_file
from lgrseg.config.renamed import with_present_names
from lgrseg.config.setting_types import SettingError, fitted_arguments
from lgrseg.config.suggestions import did_you_mean
from lgrseg.config.targets import (
    IMPORTS,
    PARTIAL,
    TARGET,
    check_trust,
    import_modules,
    locate,
    trust,
)

DATASETS = "datasets"
"""The part of a saved config that describes its datasets: their classes and colours."""
AFTER_LOADING: list[Callable[[DictConfig, Path], None]] = []
"""Functions called with every loaded config and its file; lgrseg.data registers datasets so."""

OmegaConf.register_new_resolver("half", lambda number: number // 2, replace=True)
OmegaConf.register_new_resolver("tenth", lambda number: number // 10, replace=True)


class ConfigError(ValueError):
    """A part of a config cannot be built."""


def L(target: Callable, *, partial: bool = False) -> Callable[..., DictConfig]:  # noqa: N802
    """Describe a call to `target`: `L(Conv)(dim=3)` is the config of `Conv(dim=3)`.

    With `partial=True` it describes `functools.partial(target, ...)`: a call with missing arguments
    that are only known at run time (such as the model of an optimizer).

    Raises:
        ValueError: `target` has no importable name (a lambda, a local function).
        TypeError: `target` has no argument of this name.
    """
    path = f"{target.__module__}.{target.__qualname__}"
    if "<" in path:
        raise ValueError(f"{path} has no importable name, so a config cannot refer to it")

    def describe(**kwargs: Any) -> DictConfig:
        accepted = inspect.signature(target).parameters
        if not any(p.kind is p.VAR_KEYWORD for p in accepted.values()):
            for key in kwargs.keys() - accepted.keys():
                raise TypeError(f"{path} has no argument {key!r}{did_you_mean(key, accepted)}")
        extra = {PARTIAL: True} if partial else {}
        return OmegaConf.create({TARGET: path, **extra, **kwargs})

    return describe


LazyCall = L
"""The name of `L` in detectron2."""


def instantiate(cfg: Any, **extra: Any) -> Any:
    """Build the object of a config, children first. `extra` has arguments known only at run time.

    Raises:
        SettingError: the type of a setting does not match the argument.
        ConfigError: the call with these settings fails.
        UnknownNameError: a `_target_` does not exist.
    """
    if isinstance(cfg, (ListConfig, list)):
        return [instantiate(item) for item in cfg]
    if not isinstance(cfg, (DictConfig, dict)):
        return cfg
    names = [str(key) for key in cfg if key not in (TARGET, PARTIAL)]
    kwargs = {name: instantiate(cfg[name]) for name in names}
    if TARGET not in cfg:
        return kwargs | extra
    key = _full_key(cfg)
    try:
        target = locate(cfg[TARGET])
        kwargs = fitted_arguments(target, kwargs, key, extra=extra)
        if cfg.get(PARTIAL):
            return functools.partial(target, **kwargs, **extra)
        return target(**kwargs, **extra)
    except (OSError, KeyError, MemoryError, ValueError) as error:  # their messages are clear
        if not isinstance(error, ConfigError | SettingError):
            error.add_note(f"while building {cfg[TARGET]} (config key: {key})")
        raise
    except Exception as error:
        raise ConfigError(
            f"{key} ({cfg[TARGET]}) cannot be built{_with_settings(kwargs)}: {error}"
        ) from error


def load_config(
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    imports: Iterable[str] = (),
    trusted: Iterable[str] = (),
) -> DictConfig:
    """Load a .py or .yaml config file and apply `key=value` overrides in their order.

    Modules in the config's `imports` are imported, and datasets described in its `datasets` are
    registered with their classes.

    `dataset=NAME` and `method=NAME+NAME` choose files of configs/datasets and configs/methods
    (choices.py). Other keys are separated by dots, and list elements are numbers:
    `dataloader.train.batch_size=2`, `dataloader.train.mapper.augmentations.0.prob=1`. Values are
    read as YAML.

    Args:
        path: config file. Configs of this project, configs/..., can be used from any folder.
        overrides: changes of settings, each `key=value`.
        imports: further modules to import, which are trusted; they are added to the config.
        trusted: packages that a YAML config may use besides `targets.TRUSTED`.

    Raises:
        FileNotFoundError: the file does not exist.
        KeyError: a key is neither in the config nor an argument of the configured object.
        ValueError: an override is not `key=value`, or the file is not a Python or YAML config.
        UnknownNameError: a module or an object does not exist.
        UntrustedTargetError: a YAML config uses an object outside of trusted packages.
    """
    path, imports = find_config_file(Path(path)), list(imports)
    trust([*trusted, *(module.partition(".")[0] for module in imports)])
    import_modules(imports)
    if path.suffix in (".yaml", ".yml"):
        cfg = _load_yaml(path)
        _check_choices(cfg, path, read_choices(overrides))
    elif path.suffix == ".py":
        choices = read_choices(overrides)
        cfg = load_chosen(path, choices)
        overrides = choices.overrides
    else:
        raise ValueError(f"a config is a .py or .yaml file, not {path}")
    listed = cfg.get(IMPORTS, [])
    if isinstance(listed, str) or imports:
        listed = [listed] if isinstance(listed, str) else listed
        cfg[IMPORTS] = list(dict.fromkeys([*listed, *imports]))
    _know_parts(cfg, path)
    for override in overrides:
        apply_override(cfg, override)
    if overrides:
        _know_parts(cfg, path)
    for look in AFTER_LOADING:
        look(cfg, path)
    return cfg


def _check_choices(cfg: DictConfig, path: Path, choices: Choices) -> None:
    """Reject choices for a saved config, except a dataset that its settings refer to."""
    if choices.methods is not None:
        raise ValueError(
            f"{path} is the config of a run and already contains its methods; use method=... with "
            "the Python configs in configs/"
        )
    if choices.dataset and f"${{{DATASET}}}" not in str(as_dict(cfg)):
        raise ValueError(
            f"{path} is the config of a run on {cfg.get(DATASET, 'one dataset')}. Train on another "
            "with dataset=... and a Python config of configs/; evaluate on another with "
            "--eval-only --datasets NAME"
        )


def _know_parts(cfg: DictConfig, path: Path) -> None:
    """Import the modules that a config lists; a YAML config must be trusted."""
    if path.suffix != ".py":
        check_trust(as_dict(cfg), path)
    import_modules(cfg.get(IMPORTS, ()))


def load_asked_config(arguments: argparse.Namespace) -> DictConfig:
    """The config of a command with --config-file, overrides and `targets.add_import_options`."""
    return load_config(
        arguments.config_file,
        arguments.overrides,
        imports=arguments.imports,
        trusted=arguments.trust,
    )


def save_config(cfg: DictConfig, path: str | Path) -> None:
    """Write `cfg` as YAML that `load_config` reads back to an equal config."""
    OmegaConf.save(cfg, path)


def _load_yaml(path: Path) -> DictConfig:
    try:
        cfg = OmegaConf.load(path)
    except Exception as error:  # PyYAML, OmegaConf and decoding raise many types
        raise ValueError(f"{path} is not a YAML config: {error}") from error
    if not isinstance(cfg, DictConfig):
        raise ValueError(f"{path} has a list, not the named parts of a config")
    return OmegaConf.create(with_present_names(OmegaConf.to_container(cfg)))


def _with_settings(settings: dict[str, Any]) -> str:
    plain = {k: v for k, v in settings.items() if isinstance(v, str | int | float | list | None)}
    return f" with {', '.join(f'{key}={value!r}' for key, value in plain.items())}" * bool(plain)


def _full_key(cfg: Any) -> str:
    return (cfg._get_full_key(None) or "<root>") if isinstance(cfg, DictConfig) else "?"


def without_weights(cfg: DictConfig) -> DictConfig:
    """Remove the pretrained weights of all parts from a model's config.

    Use it for a model that is loaded from a checkpoint afterwards.
    """
    cfg = copy.deepcopy(cfg)
    for part in list(_with_weights(cfg)):
        part.weights = None
    return cfg


def weights_of(cfg: DictConfig) -> list[str]:
    """List the pretrained weights of all parts of a model's config."""
    return [part.weights for part in _with_weights(cfg)]


def _with_weights(node: Any) -> Iterator[DictConfig]:
    """Iterate over all parts of a config that have pretrained weights."""
    if isinstance(node, DictConfig):
        if isinstance(node.get("weights"), str):
            yield node
        for key in map(str, node):
            if not (OmegaConf.is_missing(node, key) or OmegaConf.is_interpolation(node, key)):
                yield from _with_weights(node[key])
    elif isinstance(node, ListConfig):
        for item in node:
            yield from _with_weights(item)
