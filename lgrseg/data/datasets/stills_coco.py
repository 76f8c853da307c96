"""Still images with one COCO file per split: polygons and run lengths."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from lgrseg.data.datasets.still_shapes import Still
from lgrseg.data.io import image_files


def in_coco(folder: Path, classes: tuple[str, ...], problems: dict) -> Iterator[Still]:
    """Polygons and RLE; categories are matched by name; upper and lower case are equal.

    An image is refused if it has objects and none can be drawn: training on it would teach that
    they are background.
    """
    yield from _stills(folder, classes, problems, always_shows=False)


def in_annotated_coco(folder: Path, classes: tuple[str, ...], problems: dict) -> Iterator[Still]:
    """Like `in_coco`, for data whose images all show an object: one without is refused."""
    yield from _stills(folder, classes, problems, always_shows=True)


def _stills(
    folder: Path, classes: tuple[str, ...], problems: dict, *, always_shows: bool
) -> Iterator[Still]:
    files = sorted(folder.glob("*.json"))
    if len(files) != 1:
        problems[folder.name] = f"holds {len(files)} .json files; one with annotations is needed"
        return
    name = f"{folder.name}/{files[0].name}"
    try:
        content = _read(files[0])
    except ValueError as error:
        problems[name] = str(error)
        return
    labels = {name.lower(): k + 1 for k, name in enumerate(classes)}
    values = {c["id"]: labels.get(str(c["name"]).lower()) for c in content["categories"]}
    objects: dict = {image["id"]: [] for image in content["images"]}
    for place, annotation in enumerate(content["annotations"]):
        if annotation["image_id"] in objects:
            objects[annotation["image_id"]].append(annotation)
        else:
            problems[f"{name}, annotations[{place}]"] = (
                f"belongs to image {annotation['image_id']}, which is not among its images"
            )
    named, ids = set(), Counter(image["id"] for image in content["images"])
    for entry in content["images"]:
        image = folder / entry["file_name"]
        named.add(image)
        if not image.is_file():
            problems[f"{folder.name}/{entry['file_name']}"] = (
                f"is named in {files[0].name}, but missing"
            )
            continue
        shapes, notes = _shapes_of(objects[entry["id"]], values, classes)
        still = Still(image, shapes=shapes, drawn_on=_size(entry), notes=notes)
        if ids[entry["id"]] > 1:
            still.refused = f"shares its id, {entry['id']}, with another image of {files[0].name}"
        if not shapes and (objects[entry["id"]] or always_shows):
            still.refused = "shows an object, but has no outline"
            if notes:
                still.refused += f": {'; '.join(notes)}"
        yield still
    for image in image_files(folder):
        if image not in named:
            problems[f"{folder.name}/{image.name}"] = f"is not named in {files[0].name}"


def _shapes_of(
    objects: list[dict], values: dict, classes: tuple[str, ...]
) -> tuple[list[tuple[int, list | dict]], list[str]]:
    """The outlines of an image's objects as (value, outline), and notes about objects without."""
    shapes: list[tuple[int, list | dict]] = []
    notes = []
    for annotation in objects:
        value = values.get(annotation["category_id"])
        if value is None:
            notes.append(
                f"an object of category {annotation['category_id']} is none of {classes}: left out"
            )
        elif annotation.get("segmentation"):
            shapes.append((value, annotation["segmentation"]))
    without = sum(not annotation.get("segmentation") for annotation in objects)
    if without and shapes:
        notes.append(f"{without} of {len(objects)} objects have no outline: left out")
    return shapes, notes


def _size(entry: dict) -> tuple[int, int] | None:
    height, width = entry.get("height"), entry.get("width")
    if isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0:
        return height, width
    return None


_NUMBER = (int, str)
_KEYS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "categories": {"id": _NUMBER, "name": _NUMBER},
    "images": {"id": _NUMBER, "file_name": str},
    "annotations": {"image_id": _NUMBER, "category_id": _NUMBER},
}
"""Required entries of a COCO file, and their types."""


def _read(file: Path) -> dict:
    """The content of a COCO file; ValueError with the reason if it is not one."""
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"is not JSON, or is truncated ({error})") from error
    for key, types_of_keys in _KEYS.items():
        entries = content.get(key) if isinstance(content, dict) else None
        if not isinstance(entries, list):
            raise ValueError(f"has no list {key!r}: a COCO file has {', '.join(_KEYS)}")
        for place, entry in enumerate(entries):
            values = entry if isinstance(entry, dict) else {}
            lacking = [
                k for k, types in types_of_keys.items() if not isinstance(values.get(k), types)
            ]
            if lacking:
                raise ValueError(f"{key}[{place}] has no {lacking[0]!r} that can be used")
    return content
