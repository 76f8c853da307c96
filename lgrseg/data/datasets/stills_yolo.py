"""Still images with YOLO's outlines: one text file per image, one line per object."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lgrseg.data.datasets.still_shapes import MAX_OUTSIDE, Still
from lgrseg.data.io import image_files


def in_yolo(folder: Path, classes: tuple[str, ...], problems: dict) -> Iterator[Still]:
    """One line per polygon; an image without a text file, or with an empty one, has no object.

    An image is refused if none of its lines can be used: training on it would teach that its
    objects are background.
    """
    images, labels = folder / "images", folder / "labels"
    pictures = image_files(images) if images.is_dir() else []
    if pictures and not labels.is_dir():
        problems[folder.name] = "has images/ but no labels/"
        return
    files = {p for p in labels.glob("*") if p.name[0] != "."} if labels.is_dir() else set()
    for image in pictures:
        label_files = {file for file in files if file.stem == image.stem}
        files -= label_files
        yield _read(image, labels / f"{image.stem}.txt", label_files, classes, problems)
    for file in sorted(files):
        problems[f"{folder.name}/labels/{file.name}"] = "has no image of the same name"


def _read(
    image: Path, file: Path, label_files: set[Path], classes: tuple[str, ...], problems: dict
) -> Still:
    shapes: list[tuple[int, list | dict]] = []
    still = Still(image, shapes=shapes, in_parts=True)
    if others := sorted(other.name for other in label_files - {file}):
        still.refused = f"has labels in {', '.join(others)}; they must be in {file.name}"
        return still
    content = file.read_text(encoding="utf-8-sig", errors="replace") if label_files else ""
    faults = []
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            shapes.append(_shape(line, len(classes)))
        except ValueError as error:
            faults.append(f"line {number} {error}")
            place = f"{image.parent.parent.name}/labels/{file.name}, line {number}"
            problems[place] = str(error)
    if faults and not shapes:
        still.refused = f"none of the lines of labels/{file.name} is usable: {'; '.join(faults)}"
    still.notes = [f"labels/{file.name}, {fault}: left out" for fault in faults]
    return still


def _shape(line: str, num_classes: int) -> tuple[int, list]:
    """(value, [polygon]) of one line; ValueError with the reason if it cannot be used."""
    try:
        first, *rest = line.split()
        label, corners = int(first), np.array(rest, float)
    except ValueError:
        label, corners = -1, np.zeros(0)
    if len(corners) == 4 and 0 <= label < num_classes:
        raise ValueError("is a box (class, centre, size), not an outline")
    if not 0 <= label < num_classes or len(corners) % 2 or len(corners) < 6:
        raise ValueError(f"is not a class of 0 to {num_classes - 1} and three points or more")
    if not np.isfinite(corners).all():
        raise ValueError("has a coordinate that is not a finite number")
    if corners.min() < -MAX_OUTSIDE or corners.max() > 1 + MAX_OUTSIDE:
        raise ValueError(
            f"has coordinates of {corners.min():g} to {corners.max():g}; they must be parts of the "
            "picture, 0 to 1, not pixels"
        )
    return label + 1, [corners.tolist()]
