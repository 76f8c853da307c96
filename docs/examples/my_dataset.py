"""A dataset of your own: MP4 clips, and one PNG mask for each annotated frame.

RAW/<split>/<patient>/<clip>.mp4            the split is train or val
RAW/<split>/<patient>/<clip>_<frame>.png    0 is background, 1 the left ventricle

python tools/prepare_dataset.py mine --import my_dataset --raw RAW --out datasets/mine
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from lgrseg.data.catalog import Metadata
from lgrseg.data.datasets import register_raw_dataset
from lgrseg.data.io import read_video
from lgrseg.data.raw_video import LoadedVideo, RawVideo
from lgrseg.data.splits import register_splits

METADATA = Metadata(classes=("left_ventricle",), colors=((230, 75, 53),), source="our hospital")


def find_videos(raw: Path) -> tuple[list[RawVideo], dict[str, str]]:
    """List all clips, and the files that cannot be used with the reason."""
    videos, problems = [], {}
    for split in ("train", "val"):
        for clip in sorted((raw / split).glob("*/*.mp4")):
            masks = sorted(clip.parent.glob(f"{clip.stem}_*.png"))
            if not masks:
                problems[str(clip)] = f"has no mask such as {clip.stem}_0.png"
                continue
            video = RawVideo(
                video_id=f"{split}/{clip.parent.name}/{clip.stem}",
                sources=[clip, *masks],
                patient=clip.parent.name,
                load=load,
                facts={"split": split},
            )
            videos.append(video)
    return videos, problems


def load(video: RawVideo) -> LoadedVideo:
    """Read one clip and its masks."""
    clip, *masks = video.sources
    read = read_video(clip)
    return LoadedVideo(
        frames=np.asarray(read.frames),
        masks={int(m.stem.rpartition("_")[2]): cv2.imread(str(m), 0) for m in masks},
        spacing_mm=read.spacing_mm,
        fps=read.fps,
    )


register_splits("mine", ("train", "val"), METADATA, how_to_get="Ask our hospital.")
register_raw_dataset("mine", sys.modules[__name__])
