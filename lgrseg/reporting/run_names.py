"""Run folders from the command line, and their names in tables and plots."""

import os
from pathlib import Path


def folder_of(run: Path) -> Path:
    """Folder of a run, from the path of the folder or of one of its results.json.

    Raises:
        ValueError: the path does not exist, or the file is not in the folder of a run.
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
    """Split `NAME=FOLDER`; both may contain "=". The name of a plain `FOLDER` is empty.

    Raises:
        ValueError: neither the text nor a part of it after a "=" is a folder.
    """
    words = text.split("=")
    for number in range(len(words)):
        folder = Path("=".join(words[number:]))
        if folder.name and folder.is_dir():
            return "=".join(words[:number]), folder
    raise ValueError(f"no folder {text}; name a run's folder, or NAME=FOLDER")


def distinct_names(folders: list[Path]) -> list[str]:
    """Shortest names that differ for different folders: the last part of each path, or several.

    All names have the same number of parts.
    """
    paths = [Path(os.path.abspath(folder)).parts for folder in folders]
    for depth in range(1, max(map(len, paths), default=0) + 1):
        names = ["/".join(parts[-depth:]) for parts in paths]
        if len(set(names)) == len(set(paths)):
            return names
    return []
