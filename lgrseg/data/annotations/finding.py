"""Finds the clips of a folder, and the annotation of each clip."""

import os
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
    """A clip and its annotation."""

    path: Path
    annotation: Annotation | None = None
    """None for a clip without an annotation."""
    refused: str = ""
    """Reason why the clip cannot be used; empty if it can."""


@dataclass
class FoundFiles:
    """The clips of a folder, and the files that are not used."""

    clips: dict[str, ClipAndLabels] = field(default_factory=dict)
    """Name -> clip; the name is the path in the folder, without the suffix."""
    problems: dict[str, str] = field(default_factory=dict)
    """File -> reason why it is not used."""


def find_annotations(root: Path) -> FoundFiles:
    """All clips below a folder, each with its annotation.

    Raises:
        FileNotFoundError: there is no clip.
    """
    candidates = find_clips(root)
    clips = {
        name: path for name, path in candidates.clips.items() if not _is_annotation(path, root)
    }
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
        result.problems.setdefault(place, _reason(file, candidates.left_out))
    return result


def _attach(clip: ClipAndLabels, annotation: Annotation) -> None:
    if clip.annotation is not None:
        first, second = clip.annotation.source, annotation.source
        clip.refused = f"has two annotations, {first} and {second}, which may differ: keep one"
    clip.annotation = annotation


def _is_annotation(path: Path, root: Path) -> bool:
    """Whether a file that can be read as a clip is an annotation, by folder, name or content."""
    folders = path.relative_to(root).parts[: None if path.is_dir() else -1]
    return (
        any(folder.lower() in MASK_FOLDERS for folder in folders)
        or (path != root and is_named_as_mask(path))
        or (path.is_file() and dicom_seg.claims(path))
    )


def _other_files(root: Path, clips: dict[str, Path]) -> list[Path]:
    """All files that are neither clips, nor frames of clips, nor hidden."""
    clip_paths = set(clips.values())
    files = []
    for path in _files_below(root):
        hidden = any(part.startswith((".", "__MACOSX")) for part in path.relative_to(root).parts)
        is_frame = path.parent in clip_paths and _is_image(path)
        if path.is_file() and path not in clip_paths and not hidden and not is_frame:
            files.append(path)
    return files


def _files_below(root: Path) -> list[Path]:
    """All files below a folder; links to folders are followed as by `find_clips`, each once."""
    files, seen = [], set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        subfolders.sort()
        place = Path(folder).resolve()
        if place in seen:
            subfolders.clear()
            continue
        seen.add(place)
        files += [Path(folder, name) for name in names]
    return sorted(files)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGES


def _reason(file: Path, left_out: dict[str, list[Path]]) -> str:
    for reason, paths in left_out.items():
        if file in paths or any(parent in paths for parent in file.parents):
            return reason
    return "is neither a clip nor a known kind of annotation"
