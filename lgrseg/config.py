"""Lazy configs: a config file is a Python module whose objects are described, not built.

    from lgrseg.config import L
    model = L(LGRNet)(dim=256, backbone=L(PVTv2)(variant="b2"))   # nothing is built here
    model.backbone.variant = "b0"                                 # still editable
    net = instantiate(model)                                      # built here

The idea and the names are detectron2's LazyConfig. What is different:
    * an unknown key is an error that names the nearest known one;
    * a config holds data only, so every config can be saved as YAML and loaded again;
    * a relative import runs the imported file anew, so two configs that edit the same imported
      part, in one load or in two, never see each other's edits.
"""

import builtins
import copy
import difflib
import functools
import importlib
import importlib.util
import inspect
import os
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

TARGET, PARTIAL = "_target_", "_partial_"
TRUSTED = (
    "lgrseg.data",
    "lgrseg.engine.layer_decay",
    "lgrseg.engine.solver",
    "lgrseg.evaluation",
    "lgrseg.modeling",
    "torch.nn",
    "torch.optim",
)
"""Packages whose classes and functions a YAML config may name. A YAML file comes with somebody's
weights and looks like data, so it must not be able to call anything else. A Python config is a
program, which one does not run unread."""
TRUST_MORE = "LGRSEG_TRUSTED"
"""Environment variable: further packages, parted by commas."""


class UntrustedTargetError(ValueError):
    """A YAML config wants to call what it may not."""


def L(target: Callable, *, partial: bool = False) -> Callable[..., DictConfig]:  # noqa: N802
    """Describe a call to `target`: `L(Conv)(dim=3)` is the config of `Conv(dim=3)`.

    With `partial=True` it describes `functools.partial(target, ...)`: a call still missing
    arguments only known at run time (an optimizer and its model).

    Raises:
        ValueError: `target` has no importable name (a lambda, a local function).
        TypeError: an argument that `target` does not take.
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


def instantiate(cfg: Any, **extra: Any) -> Any:
    """Build what a config describes, children first; `extra` are arguments known only now."""
    if isinstance(cfg, (ListConfig, list)):
        return [instantiate(item) for item in cfg]
    if not isinstance(cfg, (DictConfig, dict)):
        return cfg
    kwargs = {key: instantiate(cfg[key]) for key in cfg if key not in (TARGET, PARTIAL)}
    if TARGET not in cfg:
        return kwargs | extra
    target = locate(cfg[TARGET])
    try:
        if cfg.get(PARTIAL):
            return functools.partial(target, **kwargs, **extra)
        return target(**kwargs, **extra)
    except Exception as error:
        error.add_note(f"while building {cfg[TARGET]} (config key: {_full_key(cfg)})")
        raise


def load_config(path: str | Path, overrides: Iterable[str] = ()) -> DictConfig:
    """Load a .py or .yaml config file and apply `key=value` overrides in their order.

    A key walks down with dots, list elements by number: `dataloader.train.batch_size=2`,
    `dataloader.train.mapper.augmentations.0.prob=1`. Values are read as YAML.

    Raises:
        FileNotFoundError: no such file.
        KeyError: a key that neither the config has nor what it configures takes.
        ValueError: an override that is not `key=value`, a file of another kind or that is no YAML.
        UntrustedTargetError: a YAML config names what is not in a package of `TRUSTED`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no config file {path}; the project's own are in configs/")
    if path.suffix in (".yaml", ".yml"):
        cfg = _load_yaml(path)
    elif path.suffix == ".py":
        names = vars(_run_config_file(path.resolve()))
        cfg = OmegaConf.create({k: v for k, v in names.items() if isinstance(v, DictConfig)})
    else:
        raise ValueError(f"a config is a .py or .yaml file, not {path}")
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise ValueError(f"an override looks like key=value, not {override!r}")
        _set(cfg, key, OmegaConf.from_dotlist([f"value={text}"]).value)
    if path.suffix != ".py":
        _check_targets(OmegaConf.to_container(cfg), "", path)
    return cfg


def save_config(cfg: DictConfig, path: str | Path) -> None:
    """Write `cfg` as YAML that `load_config` reads back to an equal config."""
    OmegaConf.save(cfg, path)


def locate(path: str) -> Any:
    """The object an import path names: 'torch.optim.AdamW', 'pkg.module.Class.method'."""
    parts = path.split(".")
    for split in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:split])
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            # Only "this is no module" is ours to handle; a module's own missing import is not.
            if not (module == error.name or module.startswith(f"{error.name}.")):
                raise
            continue
        for name in parts[split:]:
            if not hasattr(found, name):
                known = did_you_mean(name, vars(found))
                raise ImportError(f"{path}: {module} has no {name!r}{known}")
            found = getattr(found, name)
        return found
    raise ImportError(f"{path}: no part of it can be imported")


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """The tail of an error message: '; did you mean ...?', or nothing when nothing is near."""
    close = difflib.get_close_matches(word, [str(option) for option in options], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _load_yaml(path: Path) -> DictConfig:
    try:
        cfg = OmegaConf.load(path)
    except Exception as error:  # of PyYAML, of OmegaConf, of the text's encoding
        raise ValueError(f"{path} is no YAML config: {error}") from error
    if not isinstance(cfg, DictConfig):
        raise ValueError(f"{path} holds a list, not the parts of a config by name")
    return cfg


def _check_targets(node: Any, key: str, path: Path) -> None:
    if isinstance(node, list):
        for number, item in enumerate(node):
            _check_targets(item, f"{key}.{number}", path)
    elif isinstance(node, dict):
        if TARGET in node:
            _check_target(node[TARGET], key.removeprefix("."), path)
        for name, item in node.items():
            _check_targets(item, f"{key}.{name}", path)


def _check_target(target: Any, key: str, path: Path) -> None:
    more = os.environ.get(TRUST_MORE, "").split(",")
    trusted = (*TRUSTED, *(package.strip() for package in more if package.strip()))

    def is_trusted(name: str) -> bool:
        return any(name == package or name.startswith(f"{package}.") for package in trusted)

    reason = "is not in"
    if isinstance(target, str) and is_trusted(target):
        # A module's attributes lead anywhere (lgrseg.data.loader.np.load): what counts is where
        # the thing found was defined.
        home = getattr(locate(target), "__module__", None)
        if isinstance(home, str) and is_trusted(home):
            return
        reason = f"is of {home}, not of"
    raise UntrustedTargetError(
        f"{path}: {key}.{TARGET} names {target!r}, which {reason} the packages that a YAML config "
        f"may call: {', '.join(trusted)}. If you know the file and trust it, add the package: "
        f"{TRUST_MORE}=package"
    )


def _run_config_file(path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    # Python looks `__import__` up in the module's own builtins, so nothing global is patched.
    module.__dict__["__builtins__"] = {
        **vars(builtins),
        "__import__": functools.partial(_import_from, path),
    }
    spec.loader.exec_module(module)
    return module


def _import_from(importer: Path, name, globals_=None, locals_=None, fromlist=(), level=0):
    if level == 0:
        return builtins.__import__(name, globals_, locals_, fromlist, level)
    folder = importer.parents[level - 1].joinpath(*name.split(".")) if name else None
    if folder is not None and folder.with_suffix(".py").is_file():
        return _run_config_file(folder.with_suffix(".py"))
    folder = folder or importer.parents[level - 1]
    package = types.ModuleType(folder.name)  # `from ..common import train`: files as attributes
    for wanted in fromlist:
        file = folder / f"{wanted}.py"
        if not file.is_file():
            known = did_you_mean(wanted, (other.stem for other in folder.glob("*.py")))
            raise ImportError(f"{importer}: there is no config file {file}{known}")
        setattr(package, wanted, _run_config_file(file))
    return package


def _set(cfg: DictConfig, key: str, value: Any) -> None:
    node, parts = cfg, key.split(".")
    for depth, part in enumerate(parts):
        here = ".".join(parts[: depth + 1])
        if isinstance(node, ListConfig):
            if not part.isdecimal() or int(part) >= len(node):
                raise KeyError(f"no config key {here!r}: a list of {len(node)}, counted from 0")
            part = int(part)
        elif not isinstance(node, DictConfig):
            raise KeyError(f"no config key {here!r}: {'.'.join(parts[:depth])!r} is {node!r}")
        elif part not in (known := _known_keys(node)):
            raise KeyError(f"no config key {here!r}{did_you_mean(part, known)}")
        if depth == len(parts) - 1:
            node[part] = value
        else:
            node = node[part] if isinstance(part, int) else node.get(part)


def _known_keys(node: DictConfig) -> set[str]:
    # A key may be set if the config has it, or if the thing it configures takes it.
    known = {str(key) for key in node}
    if TARGET in node:
        known |= inspect.signature(locate(node[TARGET])).parameters.keys()
    return known


def _full_key(cfg: Any) -> str:
    return (cfg._get_full_key(None) or "<root>") if isinstance(cfg, DictConfig) else "?"


def without_weights(cfg: DictConfig) -> DictConfig:
    """A model's config without the published weights that its parts start from.

    For a model that is filled from a checkpoint next: nothing is fetched, and nothing must be.
    """
    cfg = copy.deepcopy(cfg)

    def clear(node) -> None:
        if isinstance(node, DictConfig):
            if isinstance(node.get("weights"), str):
                node.weights = None
            for key in node:
                if not (OmegaConf.is_missing(node, key) or OmegaConf.is_interpolation(node, key)):
                    clear(node[key])
        elif isinstance(node, ListConfig):
            for item in node:
                clear(item)

    clear(cfg)
    return cfg
