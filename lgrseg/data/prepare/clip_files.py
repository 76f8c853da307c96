"""Finds the clips below a path, and the part of a clip that is segmented."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lgrseg.data.io import IMAGES, Video, is_readable
from lgrseg.data.io.stills import num_pages
from lgrseg.data.prepare.fan_crop import find_fan

MASK = re.compile(
    r"(^|[_\-. ])(gt|masks?|seg|segmentations?|labels?(tr|ts)?)$|^(gt|mask|label)_", re.IGNORECASE
)
"""Names of mask files, without suffix, and of folders of masks."""
WRITTEN = re.compile(r"_(overlay|features|preview|measurements)$|^measurements$")
"""Names of films, pictures and tables that the tools write, without suffix."""


@dataclass
class ClipsInFolder:
    """The clips below a path, and the files that are not used."""

    clips: dict[str, Path] = field(default_factory=dict)
    """Name for the output -> clip. The name is the path within the folder; it has a suffix only if
    two clips would have the same name without it."""
    left_out: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    """Reason -> files and folders that are not used."""

    def describe_left_out(self, *, shown: int = 3) -> list[str]:
        """One line for each reason, with a few of the paths."""
        lines = []
        for reason, paths in self.left_out.items():
            names = ", ".join(map(str, paths[:shown]))
            more = f" and {len(paths) - shown} more" if len(paths) > shown else ""
            lines.append(f"{names}{more}: {reason}")
        return lines


def find_clips(path: Path, *, output: Path | None = None) -> ClipsInFolder:
    """Find the clip at a path, or all clips of a folder and its subfolders.

    A folder of images is one clip. If other clips are in it or below it, the images are taken for
    previews, and not used. A TIFF, GIF or WebP file with many pictures is a clip.

    Args:
        path: path of a clip or folder. A clip given here is used even if it is named like a mask.
        output: folder for results; it is not searched if it is inside `path`.

    Raises:
        FileNotFoundError: the path does not exist, or has no clip.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if path.is_file():
        return ClipsInFolder({name_of_clip(path): path})
    found = ClipsInFolder()
    clips = list(_clips_of(path, found, {path.resolve()}, output))
    if clips == [path]:
        return ClipsInFolder({path.resolve().name: path}, found.left_out)
    if not clips:
        left_out = "".join(f"; not used: {line}" for line in found.describe_left_out())
        raise FileNotFoundError(
            f"{path} has no clip; supported formats are NIfTI, MHD, DICOM, MP4, AVI, TIFF, GIF, "
            f"WebP, PNG{left_out}"
        )
    found.clips = dict(zip(_names(clips, path), clips, strict=True))
    return found


def _clips_of(
    folder: Path, found: ClipsInFolder, seen: set[Path], output: Path | None
) -> Iterator[Path]:
    """Yield the clips of a folder, or the folder itself; add other files to `found.left_out`."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        found.left_out[f"cannot be opened ({error.strerror})"].append(folder)
        return
    images: list[Path] = []
    clips: list[Path] = []
    for entry in entries:
        reason = _reason_against(entry, seen, output)
        if reason:
            found.left_out[reason].append(entry)
        elif entry.is_dir():
            seen.add(entry.resolve())
            clips += _clips_of(entry, found, seen, output)
        elif entry.suffix.lower() in IMAGES and (pages := num_pages(entry)) <= 1:
            (images if pages else found.left_out["damaged, or no picture"]).append(entry)
        elif _may_be_clip(entry):
            clips.append(entry)
        elif not entry.with_suffix(".mhd").exists():  # it has the pixels of an MHD file
            found.left_out[f"no known kind of clip ({entry.suffix or 'no suffix'})"].append(entry)
    masks = [p for p in entries if p.suffix.lower() in IMAGES and MASK.search(name_of_clip(p))]
    if images and clips:
        found.left_out["pictures beside clips; frames need a folder of their own"] += images
    elif images and masks:
        found.left_out["masks among the frames; they need a folder of their own"].append(folder)
    elif images:
        clips = [folder]
    yield from clips


def _may_be_clip(path: Path) -> bool:
    try:
        return is_readable(path)
    except OSError:
        return True  # the error is reported when it is read


def _reason_against(entry: Path, seen: set[Path], output: Path | None) -> str:
    """Reason why a file or folder is not searched; empty if it is."""
    if entry.name.startswith(".") or entry.name == "__MACOSX":
        return "hidden"
    if entry.name.upper() == "DICOMDIR":
        return "a list of DICOM files, which are used directly"
    if MASK.search(name_of_clip(entry)):
        return "named like a mask; if it is a clip, give it another name"
    if WRITTEN.search(name_of_clip(entry)):
        return "named like a result of these tools; if it is a clip, give it another name"
    if entry.is_dir():
        place = entry.resolve()
        if place in seen:
            return "a link to a folder that was searched"
        if output is not None and place == output.resolve():
            return "the folder of the results"
    return ""


def name_of_clip(path: Path) -> str:
    """The name of a file without its suffix, such as .mp4 or .nii.gz, or the name of a folder."""
    if path.is_dir():
        return path.name
    name = path.name[:-3] if path.name.lower().endswith(".nii.gz") else path.name
    return name.rsplit(".", 1)[0] if _has_suffix(name) else path.name


def _has_suffix(name: str) -> bool:
    """True if a name ends in a suffix such as .mp4, and not in a number of a DICOM UID."""
    return re.search(r"[^.]\.[A-Za-z][A-Za-z0-9]{0,4}$", name) is not None


def _names(clips: list[Path], root: Path) -> list[str]:
    """Unique names: with the suffix if two would be equal without it (a.mp4 and a.dcm)."""
    whole = [clip.relative_to(root).as_posix() for clip in clips]
    names = [clip.relative_to(root).with_name(name_of_clip(clip)).as_posix() for clip in clips]
    while shared := {name for name, count in Counter(names).items() if count > 1}:
        names = [full if name in shared else name for name, full in zip(names, whole, strict=True)]
    return names


def box_of_clip(video: Video, *, crop: bool) -> tuple[tuple[int, int, int, int], str]:
    """Box (top, left, bottom, right) of the fan or whole frame; and a doubt about it, or ""."""
    whole = (0, 0, *video.frames.shape[1:3])
    if not crop:
        return whole, ""
    fan = find_fan(video.frames)
    return fan.box, fan.doubt
