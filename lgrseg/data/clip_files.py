"""The clips that a path means, and the part of a clip that is looked at."""

from pathlib import Path

from lgrseg.data.fan_crop import find_fan
from lgrseg.data.io import IMAGES, Video, is_readable


def find_clips(path: Path) -> dict[str, Path]:
    """Names for the output, and the clips: the path itself, or all in a folder of clips.

    Raises:
        FileNotFoundError: nothing there that could be a clip.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    holds_images = path.is_dir() and any(p.suffix.lower() in IMAGES for p in path.iterdir())
    if path.is_file() or holds_images:
        found = [path]
    else:
        found = sorted(child for child in path.iterdir() if is_readable(child))
    if not found:
        raise FileNotFoundError(f"{path} holds no clip; known are NIfTI, MHD, DICOM, MP4, AVI, PNG")
    stems = [child.name.removesuffix(".gz").rsplit(".", 1)[0] for child in found]
    # Two clips of one stem (a.mp4, a.dcm) must not overwrite each other.
    names = [
        child.name.replace(".", "_") if stems.count(stem) > 1 else stem
        for child, stem in zip(found, stems, strict=True)
    ]
    return dict(zip(names, found, strict=True))


def box_of_clip(video: Video, *, crop: bool) -> tuple[tuple[int, int, int, int], str]:
    """The fan as (top, left, bottom, right), or the whole frame; and a note where none is found."""
    if not crop:
        return (0, 0, *video.frames.shape[1:3]), ""
    fan = find_fan(video.frames)
    return fan.box, "" if fan.found else f"no fan found ({fan.reason}), using whole frames"
