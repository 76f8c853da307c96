"""Run folders as a command line names them, and what tables and plots call them."""

import os
from pathlib import Path


def folder_of(run: Path) -> Path:
    """The folder of a run that is named by itself, or by one of its results.json.

    Raises:
        ValueError: there is no such folder or file, or the file does not lie in a run.
    """
    if run.is_dir():
        return run
    if not run.is_file():
        raise ValueError(f"no folder {run}; name the folder of a run, or one of its results.json")
    place = Path(os.path.abspath(run))
    if place.name != "results.json" or place.parents[1].name != "eval":
        raise ValueError(f"{run} is no RUN/eval/DATASET/results.json; name the run's folder")
    return Path(os.path.relpath(place.parents[2]))


def named_folder(text: str) -> tuple[str, Path]:
    """NAME and folder of `NAME=FOLDER`, where both may hold a "="; no name of a mere folder.

    Raises:
        ValueError: no part of the text after a "=" is a folder, and the whole is none.
    """
    words = text.split("=")
    for number in range(len(words)):
        folder = Path("=".join(words[number:]))
        if folder.name and folder.is_dir():
            return "=".join(words[:number]), folder
    raise ValueError(f"no folder {text}; name a run's folder, or NAME=FOLDER")


def distinct_names(folders: list[Path]) -> list[str]:
    """The last part of each path, and as many before it as tell different folders apart."""
    paths = [Path(os.path.abspath(folder)).parts for folder in folders]
    for depth in range(1, max(map(len, paths), default=0) + 1):
        names = ["/".join(parts[-depth:]) for parts in paths]
        if len(set(names)) == len(set(paths)):
            return names
    return []
