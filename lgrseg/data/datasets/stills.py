"""Still images with masks, each a clip of one frame: folders, COCO and YOLO polygons.

    folders  {training_set,val_set,test_set}/{image,mask}/<name>.png   ("trainning_set", too)
    COCO     {train,valid,test}/_annotations.coco.json beside the images; polygons or RLE
    YOLO     {train,val,test}/images/<name>.jpg and labels/<name>.txt: class x1 y1 x2 y2 ..., 0 to 1
    classes  {training_set,val_set,test_set}/<class>/<name>.png: a label (`VideoRecord.label`),
             no mask

A reader lists the images of one split's folder; `StillImages` makes a dataset of a reader.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from lgrseg.data.annotations.clip import composed
from lgrseg.data.catalog import Metadata
from lgrseg.data.datasets.still_shapes import Still, draw
from lgrseg.data.datasets.stills_coco import in_annotated_coco
from lgrseg.data.datasets.stills_yolo import in_yolo
from lgrseg.data.io import IMAGES, image_files, to_uint8
from lgrseg.data.io.mask_images import read_mask_image
from lgrseg.data.io.orientation import orientation, upright
from lgrseg.data.io.stills import CUT_SHORT, is_cut_short, why_no_image
from lgrseg.data.raw_video import LoadedVideo, RawVideo, UnusableVideo, refused
from lgrseg.data.splits import register_splits

COLORS = ((230, 75, 53), (77, 187, 213), (0, 160, 135), (243, 155, 127), (132, 145, 180))
FOLDERS = {
    "train": ("train", "training_set", "trainning_set", "training"),
    "val": ("val", "valid", "val_set", "validation"),
    "test": ("test", "test_set", "testing"),
}
"""Split -> possible names of its folder."""


class StillImages:
    """One dataset of still images."""

    def __init__(self, name: str, *, classes: tuple[str, ...], find: Callable, source: str):
        """`find(folder, classes, problems)` yields Stills, and adds to a dict of problems."""
        self.name, self.classes, self.find, self.source = name, classes, find, source
        metadata = Metadata(classes, COLORS[: len(classes)], source=source)
        register_splits(name, FOLDERS, metadata, how_to_get=self.how_to_get)

    @property
    def how_to_get(self) -> str:
        """How to get the data and prepare them."""
        return (
            f"{self.source} Then run: python tools/prepare_dataset.py {self.name} --raw RAW --out "
            f"datasets/{self.name} (or a folder {self.name} below LGRSEG_DATASETS)."
        )

    def find_videos(self, raw: Path) -> tuple[list[RawVideo], dict[str, str]]:
        """List all images of a download, and files that do not belong to one.

        Raises:
            FileNotFoundError: there is no folder of a split.
        """
        videos: list[RawVideo] = []
        problems: dict[str, str] = {}
        for split, names in FOLDERS.items():
            for folder in (Path(raw) / name for name in names if (Path(raw) / name).is_dir()):
                for still in self.find(folder, self.classes, problems):
                    videos.append(self._raw_video(still, split))
        if not videos and not problems:
            folders = ", ".join(names[0] for names in FOLDERS.values())
            raise FileNotFoundError(f"no folder {folders} with images in {raw}. {self.how_to_get}")
        return videos, problems

    def _raw_video(self, still: Still, split: str) -> RawVideo:
        is_labelled = still.label is not None
        # Images of two classes may share a name.
        inner = f"{still.image.parent.name}/" if is_labelled else ""
        name = f"{split}/{inner}{still.image.stem}"
        return RawVideo(
            video_id=name,
            sources=[still.image] + ([still.mask] if still.mask else []),
            patient=name,
            load=refused if still.refused else _load,
            facts={"split": split} | ({"label": still.label} if is_labelled else {}),
            labels=still.refused
            or {
                "num_classes": len(self.classes),
                "shapes": still.shapes,
                "drawn_on": still.drawn_on,
                "in_parts": still.in_parts,
                "notes": still.notes,
            },
        )


def in_folders(folder: Path, classes: tuple[str, ...], problems: dict) -> Iterator[Still]:
    """image/ and mask/ with files of the same stem; values 0 to K, or 0 and 255 for one class."""
    masks: dict[str, list[Path]] = {}
    for path in _images(folder / "mask", problems):
        masks.setdefault(composed(path.stem), []).append(path)
    for image in _images(folder / "image", problems):
        match masks.pop(composed(image.stem), []):
            case [mask]:
                yield Still(image, mask=mask)
            case []:
                yield Still(image, refused="has no mask of the same name")
            case several:
                names = ", ".join(mask.name for mask in several)
                yield Still(image, refused=f"has several masks: {names}")
    for mask in (mask for several in masks.values() for mask in several):
        problems[f"{folder.name}/mask/{mask.name}"] = "has no image of the same name"


def in_class_folders(folder: Path, classes: tuple[str, ...], problems: dict) -> Iterator[Still]:
    """One folder per class; its name is the label of its images."""
    names = [composed(name) for name in classes]
    for place in sorted(path for path in folder.iterdir() if path.name[0] != "."):
        if (name := composed(place.name)) not in names:
            problems[f"{folder.name}/{place.name}"] = f"is none of the classes {', '.join(classes)}"
            continue
        for image in _images(place, problems):
            yield Still(image, label=names.index(name))


def _images(folder: Path, problems: dict) -> list[Path]:
    """Images of a folder; other files in it are added to `problems`."""
    if not folder.is_dir():
        return []
    images = image_files(folder)
    others = {path for path in folder.iterdir() if path.name[0] != "."} - set(images)
    for path in sorted(others):
        problems[f"{folder.parent.name}/{folder.name}/{path.name}"] = (
            f"is none of {', '.join(IMAGES)}"
        )
    return images


def _load(video: RawVideo) -> LoadedVideo:
    image, labels = video.sources[0], video.labels
    number = orientation(image)
    frame = upright(_read_picture(image), number)
    if (frame == frame[..., :1]).all():
        frame = frame[..., 0]
    notes, masks = list(labels["notes"]), None
    if labels["shapes"] is not None:
        masks = {0: draw(labels, frame.shape[:2], number, notes)}
    elif len(video.sources) > 1:
        mask = read_mask_image(
            video.sources[1],
            labels["num_classes"],
            picture=image,
            shown=frame.shape[:2],
            notes=notes,
        )
        masks = {0: mask}
    return LoadedVideo(frames=np.ascontiguousarray(frame)[None], masks=masks, notes=notes)


def _read_picture(file: Path) -> np.ndarray:
    """(H, W, 3) RGB uint8 as stored, without applying the EXIF orientation."""
    if file.suffix.lower() in (".tif", ".tiff") and (pages := cv2.imcount(str(file))) > 1:
        raise UnusableVideo(f"{file.name} holds {pages} pictures; it must hold one")
    if is_cut_short(file):
        raise UnusableVideo(f"{file.name} {CUT_SHORT}")
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imread(str(file), flags)
    if image is None:
        raise UnusableVideo(f"{file.name} {why_no_image(file)}")
    return to_uint8(image[..., ::-1])


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
        source="Put one folder per class into RAW/training_set, RAW/val_set and RAW/test_set.",
    ),
]
