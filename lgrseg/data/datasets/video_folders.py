"""Videos as folders of images with a folder of masks beside them: SUN-SEG, CVC, UFUV, YouTube-VOS.

    RAW/<any>/<part>/Frame/<video>/<frame>.jpg        or JPEGImages/, as YouTube-VOS has them
    RAW/<any>/<part>/GT/<video>/<frame>.png           or Annotations/, with a palette

In a mask, what is not 0 (SUN-SEG: 255; with a palette: an object's number) is the one structure.

A mask belongs to the image of its name; a frame without one is not annotated. Every part (the
folders above Frame) is a split: TrainDataset is "train", TestEasyDataset/Seen "test_easy_seen".

Sources: SUN-SEG: Ji et al., "Video Polyp Segmentation: A Deep Learning Perspective", Machine
Intelligence Research 2022. UFUV: Xu et al., LGRNet, MICCAI 2024.
"""

import re
from pathlib import Path

import numpy as np

from lgrseg.data.catalog import Metadata
from lgrseg.data.io import image_files, read_video
from lgrseg.data.prepare import LoadedVideo, RawVideo, UnusableVideo
from lgrseg.data.splits import register_splits


class VideoFolders:
    """One dataset of this layout, with one structure."""

    def __init__(
        self,
        name: str,
        *,
        structure: str,
        source: str,
        splits: tuple[str, ...],
        images: str = "Frame",
        masks: str = "GT",
    ):
        """Make its splits known to the catalog as NAME_SPLIT."""
        self.name, self.images, self.masks = name, images, masks
        self.source = source
        metadata = Metadata(classes=(structure,), colors=((230, 75, 53),), source=self.how_to_get)
        register_splits(name, splits, metadata, how_to_get=self.how_to_get)

    @property
    def how_to_get(self) -> str:
        """Where the data are, and what to do with them."""
        return (
            f"Get it from {self.source}, unpack it so that RAW holds folders {self.images}/<video>/"
            f"*.jpg and {self.masks}/<video>/*.png, and run: python "
            f"tools/prepare_dataset.py {self.name} --raw RAW --out datasets/{self.name} (or a "
            f"folder {self.name} below LGRSEG_DATASETS)."
        )

    def find_videos(self, raw: Path) -> tuple[list[RawVideo], dict[str, str]]:
        """All videos of a download, and the folders that do not belong to one.

        Raises:
            FileNotFoundError: there is no folder Frame.
        """
        parts = sorted(path.parent for path in Path(raw).rglob(self.images) if path.is_dir())
        if not parts:
            raise FileNotFoundError(f"no folder {self.images} in {raw}. {self.how_to_get}")
        videos, problems = [], {}
        for part in parts:
            split = split_name(part.relative_to(raw))
            folders = {path.name: path for path in sorted((part / self.images).iterdir())}
            for name, folder in folders.items():
                if not (folder.is_dir() and image_files(folder)):
                    problems[f"{split}/{self.images}/{name}"] = "is no folder of images"
                    continue
                truth = part / self.masks / name
                videos.append(
                    RawVideo(
                        video_id=f"{split}/{name}",
                        sources=[*image_files(folder), *_images_of(truth)],
                        patient=f"{split}/{name}",
                        load=_load,
                        facts={"split": split},
                    )
                )
            for folder in sorted(p for p in (part / self.masks).glob("*") if p.name not in folders):
                problems[f"{split}/{self.masks}/{folder.name}"] = (
                    f"has no folder of this name in {self.images}"
                )
        return videos, problems


def split_name(part: Path) -> str:
    """TestEasyDataset/Seen -> test_easy_seen; train/ -> train; the root itself -> all."""
    words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", "/".join(part.parts))
    kept = [word.lower() for word in words if word.lower() not in ("dataset", "sun", "seg")]
    return "_".join(kept) or "all"


def _images_of(folder: Path) -> list[Path]:
    return image_files(folder) if folder.is_dir() else []


def _load(video: RawVideo) -> LoadedVideo:
    folder = video.sources[0].parent
    frames = np.asarray(read_video(folder).frames)
    names = [path.stem for path in video.sources if path.parent == folder]
    masks = {}
    for file in (path for path in video.sources if path.parent != folder):
        if file.stem not in names:
            raise UnusableVideo(f"{_short(file)} has no image of this name")
        masks[names.index(file.stem)] = _read_mask(file, frames.shape[1:3])
    return LoadedVideo(frames=frames, masks=masks or None)


def _read_mask(file: Path, size: tuple[int, int]) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            in_colours = image.mode == "P"  # then the numbers are objects, not grey values
            mask = np.asarray(image if in_colours else image.convert("L"))
    except (OSError, UnidentifiedImageError) as error:
        raise UnusableVideo(f"{_short(file)} is no image") from error
    if mask.shape != tuple(size):
        raise UnusableVideo(f"{_short(file)} is {mask.shape}, its image {tuple(size)}")
    least = 127 if mask.max() > 1 and not in_colours else 0  # 0 and 255, or 0 and 1
    return (mask > least).astype(np.uint8)


def _short(file: Path) -> str:
    return "/".join(file.parts[-3:])


SUN_SEG = VideoFolders(
    "sun_seg",
    structure="polyp",
    source="http://amed8k.sundatabase.org (on request), masks from https://github.com/GewelsJI/VPS",
    splits=("train", "test_easy_seen", "test_easy_unseen", "test_hard_seen", "test_hard_unseen"),
)
UFUV = VideoFolders(
    "ufuv",
    structure="fibroid",
    source="https://github.com/bio-mlhui/LGRNet",
    splits=("train", "test"),
)
YOUTUBE_VOS = VideoFolders(
    "youtube_vos",
    structure="object",
    source="https://youtube-vos.org",
    splits=("train", "valid", "test"),
    images="JPEGImages",
    masks="Annotations",
)
