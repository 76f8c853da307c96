"""The two choices of a command line: which dataset, and which methods.

    python tools/train_net.py --config-file configs/lgrnet/base.py dataset=camus method=hts+lgsd

A dataset is a file of configs/datasets; python_files.py describes how it is chosen. A method is a
file of configs/methods with a function that changes the config of any system:

    def change(cfg):
        cfg.dataloader.train.mapper.frame_sampler = L(HybridSampler)(num_frames=7)

Methods are applied in the order of the command line, before its other settings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from lgrseg.config.python_files import (
    DATASET,
    METHOD,
    PythonConfig,
    find_config_file,
    shipped_configs,
)
from lgrseg.config.suggestions import did_you_mean

METHODS_FOLDER = "methods"


@dataclass(frozen=True)
class Choices:
    """The dataset and methods chosen on a command line, and its other settings.

    Attributes:
        dataset: name or .py file of the dataset; None for the default of the config.
        methods: names or .py files of the methods; None for the default of the config.
        overrides: the other settings, `key=value`.
    """

    dataset: str | None
    methods: tuple[str, ...] | None
    overrides: tuple[str, ...]

    @property
    def name(self) -> str:
        """The names of the chosen dataset and methods, each after a "_"; "" if there are none."""
        words = [*filter(None, [self.dataset]), *(self.methods or ())]
        return "".join(f"_{Path(word).stem}" for word in words)


def read_choices(overrides: Sequence[str]) -> Choices:
    """Separate dataset=NAME and method=NAME+NAME from the other settings.

    Args:
        overrides: settings of the command line. If a key is repeated, the last one is used.
    """
    chosen = {DATASET: None, METHOD: None} | {
        key: value
        for key, equals, value in (word.partition("=") for word in overrides)
        if key in (DATASET, METHOD)
    }
    methods = chosen[METHOD]
    return Choices(
        dataset=chosen[DATASET] or None,
        methods=None if methods is None else tuple(filter(None, methods.split("+"))),
        overrides=tuple(w for w in overrides if w.partition("=")[0] not in (DATASET, METHOD)),
    )


def load_chosen(path: Path, choices: Choices) -> DictConfig:
    """Run a Python config with the chosen dataset, and apply the chosen methods.

    The names of the chosen dataset and methods are appended to `train.output_dir`.

    Raises:
        ValueError: a method does not exist, or the config imports no dataset to replace.
    """
    config = PythonConfig(path, dataset=choices.dataset)
    cfg = DictConfig(config.parts())
    methods = choices.methods
    if methods is None:
        methods = tuple(filter(None, cfg.get(METHOD, "").split("+")))
    for method in methods:
        config.run(method_file(method, path), chooses=False).change(cfg)
    if methods:
        cfg[METHOD] = "+".join(Path(method).stem for method in methods)
    if choices.name and "output_dir" in cfg.get("train", {}):
        cfg.train.output_dir = f"{cfg.train.output_dir}{choices.name}"
    return cfg


def method_file(name: str, config: Path) -> Path:
    """The file of a method: a .py file, or a name in the folder methods/ of the config.

    Raises:
        ValueError: there is no such method.
    """
    if name.endswith(".py"):
        return find_config_file(Path(name)).resolve()
    folders = [parent / METHODS_FOLDER for parent in config.resolve().parents]
    folders = [*filter(Path.is_dir, folders), shipped_configs() / METHODS_FOLDER]
    for folder in folders:
        if (file := folder / f"{name}.py").is_file():
            return file
    names = sorted({file.stem for folder in folders for file in folder.glob("*.py")})
    raise ValueError(
        f"no method is called {name!r}; there are {', '.join(names)}, and .py files of your own. "
        f"Join several with +, such as method=hts+lgsd{did_you_mean(name, names)}"
    )
