"""The models that come with the package, each as a run's folder in lgrseg/pretrained."""

from collections.abc import Iterable
from pathlib import Path

from lgrseg.config.suggestions import did_you_mean

FOLDER = Path(__file__).parents[1] / "pretrained"
DEFAULT = "apical_simulated"
NOTES = {
    DEFAULT: "the model that comes with lgrseg was trained on simulated hearts only: apical "
    "four-chamber views, for research, not for diagnosis"
}
"""What a user must know of each model; it is a note of every result."""


def pretrained_run(name: str = DEFAULT) -> Path:
    """The folder of a model that comes with the package.

    Raises:
        ValueError: there is no such model.
        FileNotFoundError: the package was installed without its weights.
    """
    if name not in NOTES:
        raise ValueError(
            f"no model of the package is called {name!r}; there are: {', '.join(NOTES)}"
            f"{did_you_mean(name, NOTES)}"
        )
    run = FOLDER / name
    if not (run / "config.yaml").is_file():
        raise FileNotFoundError(f"{run} is missing: install lgrseg again, or use a run of your own")
    return run


def weight_file(weights: str | Path) -> Path:
    """The weight file of a model of the package, if `weights` is its name; otherwise `weights`.

    Raises:
        FileNotFoundError: the package was installed without its weights.
    """
    if str(weights) in NOTES and not Path(weights).is_file():
        return pretrained_run(str(weights)) / "checkpoints" / "last.safetensors"
    return Path(weights)


def notes_of(runs: Iterable[str | Path]) -> list[str]:
    """The notes of those runs that are models of the package, however their folders are named."""
    folders = [Path(run).resolve() for run in runs]
    home = FOLDER.resolve()
    return [NOTES[run.name] for run in folders if run.parent == home and run.name in NOTES]
