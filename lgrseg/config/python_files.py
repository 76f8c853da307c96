"""Runs the Python files of configs, which import each other by relative imports.

    from ..datasets.camus import dataloader      # relative: the file is run again for this config
    from configs.lgrnet.base import model        # configs of lgrseg, from any folder

A file in a folder datasets/ describes one dataset. Another dataset can be chosen instead: with
`dataset=phantom_study`, the import above runs datasets/phantom_study.py. A name without such a file
is the name of a dataset that the user prepared; datasets/own_clips.py describes it.
"""

import builtins
import functools
import importlib.util
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from lgrseg.config.suggestions import did_you_mean
from lgrseg.config.targets import IMPORTS, UnknownNameError

DATASET = "dataset"
"""The name of the dataset. Other settings can refer to it as ${dataset}."""
METHOD = "method"
"""Names of the methods that changed the config, joined by "+"; see choices.py."""
ROLES = "roles"
"""The part that maps a chamber to the name of its class: {left_ventricle: lv_cavity}."""
PARTS = ("train", "model", "optimizer", "schedule", "dataloader", "evaluator")
"""Parts of a config that a Python file may write as plain dicts."""
DATASETS_FOLDER, OWN_CLIPS = "datasets", "own_clips.py"
SHIPPED = "configs"
"""The first part of the names of this project's configs, such as configs/lgrnet/base.py."""


def shipped_configs() -> Path:
    """The folder of this project's configs: in an installed package, or in a checkout."""
    installed = Path(__file__).parents[1] / SHIPPED
    return installed if installed.is_dir() else Path(__file__).parents[2] / SHIPPED


def find_config_file(path: Path) -> Path:
    """The file at this path, or this project's file if the path begins with configs/.

    Raises:
        FileNotFoundError: neither exists.
    """
    if path.is_file():
        return path
    shipped = shipped_configs()
    if path.parts[:1] == (SHIPPED,) and shipped.joinpath(*path.parts[1:]).is_file():
        return shipped.joinpath(*path.parts[1:])
    raise FileNotFoundError(f"no config file {path}; the configs of lgrseg are in {shipped}")


class PythonConfig:
    """The result of running a config file and the files that it imports.

    Attributes:
        dataset: name of the dataset of the config, or None if it imports no file of a folder
            datasets/.
    """

    def __init__(self, path: Path, *, dataset: str | None = None):
        """Run the file.

        Args:
            path: Python file of the config.
            dataset: dataset that replaces the one that the file imports: the name of a file in the
                same folder, another .py file, or the name of a prepared dataset.

        Raises:
            ValueError: a dataset is chosen, but the file imports none.
        """
        self.dataset: str | None = None
        self._chosen = dataset
        self._dataset_names: dict[str, Any] = {}
        self._names = vars(self.run(path.resolve()))
        if self.dataset is None and isinstance(self._names.get(DATASET), str):
            self.dataset = dataset or self._names[DATASET]
        if dataset and self.dataset is None:
            raise ValueError(
                f"{path} imports no file of a folder {DATASETS_FOLDER}/, so dataset={dataset} "
                "has no effect"
            )

    def parts(self) -> dict[str, Any]:
        """The parts of the config, by name; a name that begins with "_" is not a part."""
        of_dataset = {
            name: value for name, value in self._dataset_names.items() if name in (IMPORTS, ROLES)
        }
        parts = {**dict(_parts(of_dataset)), **dict(_parts(self._names))}
        return parts | ({DATASET: self.dataset} if self.dataset else {})

    def run(self, path: Path, *, chooses: bool = True) -> types.ModuleType:
        """Run a config file.

        Args:
            path: Python file.
            chooses: whether the chosen dataset replaces one that the file imports. It is False for
                a file of a dataset, which may import the dataset of which it is a variant.
        """
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # Python looks `__import__` up in the module's own builtins, so nothing global is patched.
        importer = functools.partial(self._import_from, path, chooses)
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": importer}
        spec.loader.exec_module(module)
        return module

    def _import_from(
        self,
        importer: Path,
        chooses: bool,
        name: str,
        globals_: Mapping[str, object] | None = None,
        locals_: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> types.ModuleType:
        words = name.split(".") if name else []
        if level:
            folder = importer.parents[level - 1].joinpath(*words)
        elif words[0] == SHIPPED and _exists(shipped_configs().joinpath(*words[1:])):
            folder = shipped_configs().joinpath(*words[1:])
        else:
            return builtins.__import__(name, globals_, locals_, fromlist or (), level)
        if words and folder.with_suffix(".py").is_file():
            return self._run_imported(folder.with_suffix(".py"), chooses)
        package = types.ModuleType(folder.name)  # `from ..common import train`: files as attributes
        for name_in_folder in fromlist or ():
            file = folder / f"{name_in_folder}.py"
            if not file.is_file():
                suggestion = did_you_mean(name_in_folder, [f.stem for f in folder.glob("*.py")])
                raise UnknownNameError(f"{importer}: there is no config file {file}{suggestion}")
            setattr(package, name_in_folder, self._run_imported(file, chooses))
        return package

    def _run_imported(self, file: Path, chooses: bool) -> types.ModuleType:
        if not chooses or file.parent.name != DATASETS_FOLDER:
            return self.run(file, chooses=chooses)
        chosen = dataset_file(file.parent, self._chosen) if self._chosen else file
        module = self.run(chosen, chooses=False)
        self._dataset_names = vars(module)
        if chosen.name == OWN_CLIPS:
            self.dataset = self._chosen or vars(module)[DATASET]
        else:
            self.dataset = chosen.stem
        return module


def _exists(folder: Path) -> bool:
    """Whether there is such a folder, or a .py file; else the import is that of Python."""
    return folder.is_dir() or folder.with_suffix(".py").is_file()


def dataset_file(folder: Path, name: str) -> Path:
    """The file that describes a dataset.

    Args:
        folder: folder of the files of datasets.
        name: name of one of them, a .py file elsewhere, or the name of a prepared dataset.

    Raises:
        FileNotFoundError: there is no such .py file.
    """
    if name.endswith(".py"):
        return find_config_file(Path(name)).resolve()
    file = folder / f"{name}.py"
    return file if file.is_file() else folder / OWN_CLIPS


def _parts(names: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in names.items():
        if not name.startswith("_") and (
            isinstance(value, DictConfig)
            or (name in (*PARTS, ROLES) and isinstance(value, dict))
            or (name == IMPORTS and isinstance(value, str | list | tuple))
            or (name in (DATASET, METHOD) and isinstance(value, str))
        ):
            yield name, value
