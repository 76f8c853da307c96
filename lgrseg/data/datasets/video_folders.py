"""Videos as folders of images with a folder of masks beside them: SUN-SEG, CVC, UFUV, YouTube-VOS.

    RAW/<any>/<part>/Frame/<video>/<frame>.jpg        or JPEGImages/, as YouTube-VOS has them
    RAW/<any>/<part>/GT/<video>/<frame>.png           or Annotations/, with a palette

Every value of a mask except 0 (SUN-SEG: 255; with a palette: an object's number) is the structure.
lgrseg/data/io/mask_images.py has the rules, and the masks that are refused.

A mask belongs to the image with the same name; a frame without a mask is not annotated. Every part
(the folders above Frame) is a split: TrainDataset is "train", TestEasyDataset/Seen
"test_easy_seen".

Sources: SUN-SEG: Ji et al., "Video Polyp Segmentation: A Deep Learning Perspective", Machine
Intelligence Research 2022. UFUV: Xu et al., LGRNet, MICCAI 2024.
"""

import re
from pathlib import Path

import numpy as np

from lgrseg.data.catalog import Metadata
from lgrseg.data.io import image_files, read_video
from lgrseg.data.io.mask_images import read_mask_image
from lgrseg.data.raw_video import LoadedVideo, RawVideo, UnusableVideo
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
        """Register its splits in the catalog as NAME_SPLIT."""
        self.name, self.images, self.masks = name, images, masks
        self.source = source
        metadata = Metadata(classes=(structure,), colors=((230, 75, 53),), source=self.how_to_get)
        register_splits(name, splits, metadata, how_to_get=self.how_to_get)

    @property
    def how_to_get(self) -> str:
        """How to get the data and prepare them."""
        return (
            f"Get it from {self.source}, unpack it so that RAW holds folders {self.images}/<video>/"
            f"*.jpg and {self.masks}/<video>/*.png, and run: python "
            f"tools/prepare_dataset.py {self.name} --raw RAW --out datasets/{self.name} (or a "
            f"folder {self.name} below LGRSEG_DATASETS)."
        )

    def find_videos(self, raw: Path) -> tuple[list[RawVideo], dict[str, str]]:
        """List all videos of a download, and folders that do not belong to one.

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
                    problems[f"{split}/{self.images}/{name}"] = "is not a folder of images"
                    continue
                images = image_files(folder)
                truth = part / self.masks / name
                masks = image_files(truth) if truth.is_dir() else []
                if truth.is_dir() and not masks:
                    problems[f"{split}/{self.masks}/{name}"] = "holds no image: nothing is labelled"
                videos.append(
                    RawVideo(
                        video_id=f"{split}/{name}",
                        sources=[*images, *masks],
                        num_pictures=len(images),
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
    """TestEasyDataset/Seen -> test_easy_seen; train -> train; the root itself -> all."""
    words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", "/".join(part.parts))
    parts = [word.lower() for word in words if word.lower() not in ("dataset", "sun", "seg")]
    return "_".join(parts) or "all"


def _load(video: RawVideo) -> LoadedVideo:
    images, truths = video.sources[: video.num_pictures], video.sources[video.num_pictures :]
    read = read_video(images[0].parent)
    frames, notes = np.asarray(read.frames), list(read.notes)
    names = [path.stem for path in images]
    masks: dict[int, np.ndarray] = {}
    for file in truths:
        if names.count(file.stem) != 1 or names.index(file.stem) in masks:
            problem = "no image" if file.stem not in names else "several images or masks"
            raise UnusableVideo(f"{'/'.join(file.parts[-3:])} has {problem} of this name")
        frame = names.index(file.stem)
        masks[frame] = read_mask_image(
            file,
            1,
            picture=images[frame],
            shown=frames.shape[1:3],
            numbers_objects=True,
            notes=notes,
        )
    return LoadedVideo(frames=frames, masks=masks or None, notes=notes)


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
