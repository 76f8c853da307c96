"""Still images with masks, each a clip of one frame: folders, COCO and YOLO polygons.

    folders  {training_set,val_set,test_set}/{image,mask}/<name>.png   ("trainning_set", too)
    COCO     {train,valid,test}/_annotations.coco.json beside the images; polygons or RLE
    YOLO     {train,val,test}/images/<name>.jpg and labels/<name>.txt: class x1 y1 x2 y2 ..., 0 to 1
    classes  {training_set,val_set,test_set}/<class>/<name>.png: a label ("label" in the record),
             no mask

A reader is a function of the folder of one split; `StillImages` makes a dataset of one.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from lgrseg.data.catalog import Metadata
from lgrseg.data.io import image_files
from lgrseg.data.prepare import LoadedVideo, RawVideo, UnusableVideo
from lgrseg.data.splits import register_splits

COLORS = ((230, 75, 53), (77, 187, 213), (0, 160, 135), (243, 155, 127), (132, 145, 180))
FOLDERS = {
    "train": ("train", "training_set", "trainning_set", "training"),
    "val": ("val", "valid", "val_set", "validation"),
    "test": ("test", "test_set", "testing"),
}
"""What the folder of a split may be called."""


class StillImages:
    """One dataset of still images."""

    def __init__(self, name: str, *, classes: tuple[str, ...], find: Callable, source: str):
        """`find(folder, classes)` yields RawVideos without names, and fills a dict of problems."""
        self.name, self.classes, self.find, self.source = name, classes, find, source
        metadata = Metadata(classes, COLORS[: len(classes)], source=source)
        register_splits(name, FOLDERS, metadata, how_to_get=self.how_to_get)

    @property
    def how_to_get(self) -> str:
        """Where the data are, and what to do with them."""
        return (
            f"{self.source} Then run: python tools/prepare_dataset.py {self.name} --raw RAW --out "
            f"datasets/{self.name} (or a folder {self.name} below LGRSEG_DATASETS)."
        )

    def find_videos(self, raw: Path) -> tuple[list[RawVideo], dict[str, str]]:
        """All images of a download, and the files that do not belong to one.

        Raises:
            FileNotFoundError: there is no folder of a split.
        """
        videos, problems = [], {}
        for split, names in FOLDERS.items():
            for folder in (Path(raw) / name for name in names if (Path(raw) / name).is_dir()):
                for image, facts in self.find(folder, self.classes, problems):
                    # Images of two classes may share a name.
                    inner = f"{image.parent.name}/" if facts["kind"] == "label" else ""
                    name = f"{split}/{inner}{image.stem}"
                    videos.append(
                        RawVideo(
                            video_id=name, sources=[image, *facts.pop("files", [])], patient=name,
                            load=_load, facts=facts | {"split": split},
                        )
                    )  # fmt: skip
        if not videos and not problems:
            wanted = ", ".join(names[0] for names in FOLDERS.values())
            raise FileNotFoundError(f"no folder {wanted} with images in {raw}. {self.how_to_get}")
        return videos, problems


Found = Iterator[tuple[Path, dict]]
"""An image, and how its mask comes about: "kind", further facts, "files"."""


def in_folders(folder: Path, classes: tuple[str, ...], problems: dict) -> Found:
    """image/ and mask/ with files of the same stem; values 0 to K, or 0 and 255 for one class."""
    masks = {path.stem: path for path in _images(folder / "mask")}
    for image in _images(folder / "image"):
        if image.stem in masks:
            yield image, {"kind": "mask", "files": [masks.pop(image.stem)], "num": len(classes)}
        else:
            problems[f"{folder.name}/image/{image.name}"] = "has no mask of the same name"
    for mask in masks.values():
        problems[f"{folder.name}/mask/{mask.name}"] = "has no image of the same name"


def in_class_folders(folder: Path, classes: tuple[str, ...], problems: dict) -> Found:
    """A folder a class; the name of the folder is the label of its images."""
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        if place.name not in classes:
            problems[f"{folder.name}/{place.name}"] = f"is none of the classes {', '.join(classes)}"
            continue
        for image in _images(place):
            yield image, {"kind": "label", "label": classes.index(place.name)}


def in_coco(folder: Path, classes: tuple[str, ...], problems: dict) -> Found:
    """Polygons and RLE; a category counts by its name, whatever its number and its case."""
    files = sorted(folder.glob("*.json"))
    if len(files) != 1:
        problems[folder.name] = f"holds {len(files)} .json files; one with annotations is wanted"
        return
    content = json.loads(files[0].read_text(encoding="utf-8"))
    labels = {name.lower(): k + 1 for k, name in enumerate(classes)}
    categories = {c["id"]: labels.get(c["name"].lower()) for c in content["categories"]}
    objects: dict[int, list] = {}
    for annotation in content["annotations"]:
        objects.setdefault(annotation["image_id"], []).append(annotation)
    for entry in content["images"]:
        image = folder / entry["file_name"]
        if not image.is_file():
            problems[f"{folder.name}/{entry['file_name']}"] = f"{files[0].name} names it, but none"
            continue
        shapes = []
        for annotation in objects.get(entry["id"], []):
            label = categories.get(annotation["category_id"])
            if label is None:
                problems[f"{folder.name}/{image.name}"] = (
                    f"an object of category {annotation['category_id']} is none of {classes}"
                )
            elif annotation.get("segmentation"):
                shapes.append([label, annotation["segmentation"]])
        yield image, {"kind": "coco", "shapes": shapes}


def in_annotated_coco(folder: Path, classes: tuple[str, ...], problems: dict) -> Found:
    """As `in_coco`, where every image shows an object: one without has been forgotten.

    Kept as an empty image it would teach that what it shows is nothing, and score 0 where it is
    found.
    """
    for image, facts in in_coco(folder, classes, problems):
        if facts["shapes"]:
            yield image, facts
        else:
            problems.setdefault(
                f"{folder.name}/{image.name}", "shows an object, but has no outline"
            )


def in_yolo(folder: Path, classes: tuple[str, ...], problems: dict) -> Found:
    """One line a polygon; an image without a text file, or with an empty one, holds nothing."""
    for image in _images(folder / "images"):
        file = folder / "labels" / f"{image.stem}.txt"
        shapes, lines = [], file.read_text().splitlines() if file.is_file() else []
        for number, line in enumerate((line for line in lines if line.strip()), start=1):
            try:
                first, *rest = line.split()
                label, points = int(first), np.array(rest, float).reshape(-1, 2)
                if not (0 <= label < len(classes) and len(points) >= 3):
                    raise ValueError
            except ValueError:
                problems[f"{folder.name}/labels/{file.name}, line {number}"] = (
                    f"is not a class of 0 to {len(classes) - 1} and three points or more"
                )
                continue
            shapes.append([label + 1, points.tolist()])
        yield image, {"kind": "yolo", "shapes": shapes, "files": [file] * file.is_file()}


def _images(folder: Path) -> list[Path]:
    return image_files(folder) if folder.is_dir() else []


def _load(video: RawVideo) -> LoadedVideo:
    image = cv2.imread(str(video.sources[0]), cv2.IMREAD_COLOR)
    if image is None:
        raise UnusableVideo(f"{video.sources[0].name} is no image")
    frame = image[..., ::-1]
    if (frame == frame[..., :1]).all():
        frame = frame[..., 0]
    if video.facts["kind"] == "label":
        return LoadedVideo(frames=np.ascontiguousarray(frame)[None], masks=None)
    draw = {"mask": _read_mask, "coco": _draw_coco, "yolo": _draw_yolo}[video.facts["kind"]]
    mask = draw(video, frame.shape[:2])
    video.facts.pop("shapes", None)  # drawn now: not for meta.json
    return LoadedVideo(frames=np.ascontiguousarray(frame)[None], masks={0: mask})


def _read_mask(video: RawVideo, size: tuple[int, int]) -> np.ndarray:
    file, num_classes = video.sources[1], video.facts["num"]
    mask = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    if mask is None or mask.shape != size:
        state = "is no image" if mask is None else f"is {mask.shape}, its image {size}"
        raise UnusableVideo(f"mask/{file.name} {state}")
    if num_classes == 1 and mask.max() > 1:
        return (mask > 127).astype(np.uint8)
    if mask.max() > num_classes:
        raise UnusableVideo(f"mask/{file.name} holds {mask.max()}; there are {num_classes} classes")
    return mask


def _draw_coco(video: RawVideo, size: tuple[int, int]) -> np.ndarray:
    from pycocotools import mask as coco

    drawn = np.zeros(size, np.uint8)
    for label, shape in video.facts["shapes"]:
        if isinstance(shape, dict):
            packed = shape if isinstance(shape["counts"], (str, bytes)) else None
            runs = packed or coco.frPyObjects(shape, *size)
        else:
            polygons = [polygon for polygon in shape if len(polygon) >= 6]
            if not polygons:
                raise UnusableVideo("an object has polygons of fewer than three points")
            runs = coco.merge(coco.frPyObjects(polygons, *size))
        drawn[coco.decode(runs) > 0] = label
    return drawn


def _draw_yolo(video: RawVideo, size: tuple[int, int]) -> np.ndarray:
    drawn = np.zeros(size, np.uint8)
    for label, points in video.facts["shapes"]:
        corners = np.rint(np.array(points) * (size[1], size[0]) - 0.5).astype(np.int32)
        cv2.fillPoly(drawn, [corners], label)
    return drawn


DATASETS = [
    StillImages(
        "brain_tumor_coco",
        classes=("tumor",),
        # 9 of 90, 15 of 30 and 12 of 30 images have no outline; all 36 were looked at.
        find=in_annotated_coco,
        source="Get it from https://github.com/RaviRawal13/BT_Detectron2_MaskRCNN (CC BY 4.0).",
    ),
    StillImages(
        "brain_tumor_yolo",
        classes=("glioma", "meningioma", "pituitary"),
        find=in_yolo,
        source="Put images/ and labels/ into RAW/train, RAW/val and RAW/test.",
    ),
    StillImages(
        "image_folders",
        classes=("object",),
        find=in_folders,
        source="Put image/ and mask/ into RAW/training_set, RAW/val_set and RAW/test_set.",
    ),
    StillImages(
        "class_folders",
        classes=("benign", "malignant", "normal"),
        find=in_class_folders,
        source="Put a folder a class into RAW/training_set, RAW/val_set and RAW/test_set.",
    ),
]
