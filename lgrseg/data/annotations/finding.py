"""Which files of a folder are clips, and which say what these show."""

from dataclasses import dataclass, field
from pathlib import Path

from lgrseg.data.annotations import dicom_seg
from lgrseg.data.annotations.clip import Annotation, Clips, is_named_as_mask
from lgrseg.data.annotations.kinds import KINDS
from lgrseg.data.folder_names import MASK_FOLDERS
from lgrseg.data.io import IMAGES
from lgrseg.data.prepare.clip_files import find_clips


@dataclass
class ClipAndLabels:
    """A clip, and where it stands what it shows."""

    path: Path
    annotation: Annotation | None = None
    """None where nothing does."""
    refused: str = ""
    """Why it cannot be used."""


@dataclass
class FoundFiles:
    """What a folder holds."""

    clips: dict[str, ClipAndLabels] = field(default_factory=dict)
    """By name: the place within the folder, without the suffix."""
    problems: dict[str, str] = field(default_factory=dict)
    """File -> why it is not used."""


def find_annotations(root: Path) -> FoundFiles:
    """All clips below a folder, each with its annotation.

    Raises:
        FileNotFoundError: there is no clip.
    """
    found = find_clips(root)
    clips = {name: path for name, path in found.clips.items() if not _is_annotation(path, root)}
    result = FoundFiles({name: ClipAndLabels(path) for name, path in clips.items()})
    index = Clips(root, clips)
    files = _other_files(root, clips)
    for module in KINDS.values():
        claimed = [file for file in files if module.claims(file)]
        files = [file for file in files if file not in set(claimed)]
        for name, annotation in module.find(claimed, index, result.problems).items():
            _attach(result.clips[name], annotation)
    for file in files:
        place = file.relative_to(root).as_posix()
        result.problems.setdefault(place, _reason(file, found.left_out))
    return result


def _attach(clip: ClipAndLabels, annotation: Annotation) -> None:
    if clip.annotation is not None:
        first, second = clip.annotation.source, annotation.source
        clip.refused = f"both {first} and {second} say what it shows, and may differ: keep one"
    clip.annotation = annotation


def _is_annotation(path: Path, root: Path) -> bool:
    """Whether what reads as a clip is an annotation: by its folder, its name or its content."""
    folders = path.relative_to(root).parts[: None if path.is_dir() else -1]
    return (
        any(folder.lower() in MASK_FOLDERS for folder in folders)
        or (path != root and is_named_as_mask(path))
        or (path.is_file() and dicom_seg.claims(path))
    )


def _other_files(root: Path, clips: dict[str, Path]) -> list[Path]:
    """Every file that is no clip, no frame of one, and not hidden."""
    taken = set(clips.values())
    files = []
    for path in sorted(root.rglob("*")):
        hidden = any(part.startswith((".", "__MACOSX")) for part in path.relative_to(root).parts)
        is_frame = path.parent in taken and _is_image(path)
        if path.is_file() and path not in taken and not hidden and not is_frame:
            files.append(path)
    return files


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGES


def _reason(file: Path, left_out: dict[str, list[Path]]) -> str:
    for reason, paths in left_out.items():
        if file in paths or any(parent in paths for parent in file.parents):
            return reason
    return "is neither a clip nor a known kind of annotation"
