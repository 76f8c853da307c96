"""Import paths in configs, and the packages that are trusted.

A YAML config is distributed with weights and looks like data, so it can only call and import
objects of trusted packages. A Python config is a program; users should read it before they run it.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lgrseg.config.suggestions import did_you_mean

TARGET, PARTIAL = "_target_", "_partial_"
IMPORTS = "imports"
"""Part of a config with the modules to import first."""
TRUSTED = (
    "lgrseg.data",
    "lgrseg.engine.layer_decay",
    "lgrseg.engine.solver",
    "lgrseg.evaluation",
    "lgrseg.inference.frozen_run",
    "lgrseg.modeling",
    "lgrseg.studies.comparison.cached",
    "torch.nn",
    "torch.optim",
)
"""Packages whose classes and functions every YAML config may use."""
TRUST_MORE = "LGRSEG_TRUSTED"
"""Environment variable with further trusted packages, separated by commas."""


class UntrustedTargetError(ValueError):
    """A YAML config uses an object that is not in a trusted package."""


class UnknownNameError(ImportError, ValueError):
    """A config contains a name that does not exist."""


def locate(path: str) -> Any:
    """Import the object of a path such as 'torch.optim.AdamW' or 'pkg.module.Class.method'.

    Raises:
        UnknownNameError: there is no such object.
    """
    if not isinstance(path, str):
        raise UnknownNameError(f"{TARGET} is an import path like torch.optim.AdamW, not {path!r}")
    parts = path.split(".")
    for split in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:split])
        try:
            target = importlib.import_module(module)
        except ModuleNotFoundError as error:
            # Handle only "there is no such module"; a missing import inside the module is raised.
            if not (module == error.name or module.startswith(f"{error.name}.")):
                raise
            continue
        for name in parts[split:]:
            if not hasattr(target, name):
                suggestion = did_you_mean(name, vars(target))
                raise UnknownNameError(f"{path}: {module} has no {name!r}{suggestion}")
            target = getattr(target, name)
        return target
    raise UnknownNameError(f"{path}: no part of it can be imported")


def import_modules(names: Iterable[str]) -> None:
    """Import modules by name; the current folder is searched last.

    Raises:
        UnknownNameError: there is no module of that name.
    """
    if isinstance(names, str):
        raise ValueError(f"{IMPORTS} is a list of modules, not {names!r}")
    current_folder = str(Path.cwd())
    if current_folder not in sys.path:
        sys.path.append(current_folder)
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not (name == error.name or name.startswith(f"{error.name}.")):
                raise
            raise UnknownNameError(
                f"{IMPORTS}: there is no module {name!r}; install it, or run the command in the "
                "folder of the module"
            ) from error


def trust(packages: Iterable[str]) -> None:
    """Trust packages for YAML configs, in this process and in its child processes.

    Raises:
        ValueError: a name is not a valid package name.
    """
    packages = list(packages)
    for package in packages:
        if not all(part.isidentifier() for part in package.split(".")):
            raise ValueError(f"--trust takes a package like my_project, not {package!r}")
    if packages:
        os.environ[TRUST_MORE] = ",".join(dict.fromkeys([*_trusted_by_name(), *packages]))


def check_trust(cfg: dict, path: Path) -> None:
    """Raise an error if a YAML config uses objects of packages that are not trusted.

    Nothing is imported before this check.

    Args:
        cfg: complete config.
        path: file of the config, for messages.

    Raises:
        UntrustedTargetError: an object is not trusted; the message has the option to trust it.
        UnknownNameError: an object does not exist.
    """
    targets = [(IMPORTS, name) for name in cfg.get(IMPORTS) or ()] + list(_targets(cfg, ""))
    untrusted = [(key, name) for key, name in targets if not _is_trusted(name)]
    if untrusted:
        key, name = untrusted[0]
        packages = dict.fromkeys(_package_of(name) for _, name in untrusted)
        raise UntrustedTargetError(
            f"{path}: {key} names {name!r}, which is not in the packages that a YAML config may "
            f"call: {', '.join([*TRUSTED, *_trusted_by_name()])}. {_remedy(packages)}"
        )
    for key, name in _targets(cfg, ""):
        # A module's attributes can be of other packages (lgrseg.data.loader.np.load), so the module
        # in which the object was defined is checked.
        home = getattr(locate(name), "__module__", None)
        if not _is_trusted(home):
            raise UntrustedTargetError(
                f"{path}: {key} names {name!r}, which is defined in {home}, not in the packages "
                f"that a YAML config may call: {', '.join([*TRUSTED, *_trusted_by_name()])}. "
                f"{_remedy([_package_of(home)])}"
            )


def _remedy(packages: Iterable[str]) -> str:
    options = " ".join(f"--trust {package}" for package in packages)
    return (
        f"If you know the file and trust it, add {options} to the command, or set "
        f"{TRUST_MORE}={','.join(packages)}"
    )


def _package_of(name: Any) -> str:
    """The package to trust for a name: its top package, or only the module of large packages."""
    top, _, rest = str(name).partition(".")
    return str(name).rpartition(".")[0] if rest and top in ("lgrseg", "torch") else top


def _targets(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yield (key, import path) of all calls in a config."""
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from _targets(item, f"{key}.{number}")
    elif isinstance(node, dict):
        if TARGET in node:
            yield f"{key}.{TARGET}".removeprefix("."), node[TARGET]
        for name, item in node.items():
            yield from _targets(item, f"{key}.{name}")


def _is_trusted(name: Any) -> bool:
    trusted = [*TRUSTED, *_trusted_by_name()]
    return isinstance(name, str) and any(
        name == package or name.startswith(f"{package}.") for package in trusted
    )


def _trusted_by_name() -> list[str]:
    packages = os.environ.get(TRUST_MORE, "").split(",")
    return [package.strip() for package in packages if package.strip()]


def add_import_options(parser: argparse.ArgumentParser) -> None:
    """Add the options --import and --trust to a command that loads a config."""
    parser.add_argument(
        "--import",
        dest="imports",
        action="append",
        default=[],
        metavar="MODULE",
        help="module to import first, with datasets or classes; it is saved with the run",
    )
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="allow a config.yaml to call and import objects of this package",
    )
