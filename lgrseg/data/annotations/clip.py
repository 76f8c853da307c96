"""The clips of a folder, found by their names, and the clip that an annotation belongs to."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lgrseg.data.folder_names import FRAME_FOLDERS, MASK_FOLDERS
from lgrseg.data.io import image_files

_CLIP_ENDING = re.compile(r"[_\-. ](image|img|clip|video|frames|0000)$")
_MASK_ENDING = re.compile(r"[_\-. ](annotations?|gt|labels?|masks?|seg|segmentations?)$")
_NUMBERED = re.compile(r"^(?P<name>.*?)(?:(?:^|[_\-. ])(?:frame|f|t))?[_\-. ]?(?P<number>\d+)$")
_ENDINGS = (".nii.gz", ".seg.nrrd", ".seg.nhdr")


@dataclass(frozen=True)
class Annotation:
    """The annotation of one clip: its files, or a part of a file."""

    kind: str
    """Name of the module that reads it."""
    files: tuple[Path, ...]
    content: Any = None
    """Content that `find` has read already, such as this clip's part of a file for many clips."""

    @property
    def source(self) -> str:
        """Name of the file, or of the first one, for messages."""
        return self.files[0].name if self.files else self.content["source"]


@dataclass(frozen=True)
class AnnotatedClip:
    """Facts about a clip that the reader of its annotation needs."""

    path: Path
    num_frames: int
    size: tuple[int, int]
    """(H, W) of its frames, upright."""
    frame_files: tuple[Path, ...] = ()
    """Image of every frame, if the clip is a folder of images."""
    first_number: int = 0
    """Number of the first frame in file names, for kinds of files that do not define it."""


class Clips:
    """The clips of a folder, to be found by the names of the files beside them."""

    def __init__(self, root: Path, paths: dict[str, Path]):
        """`paths` is name -> file or folder of images, below `root`."""
        self.root, self.paths = root, paths
        self._names: dict[tuple[str, ...], list[str]] = {}
        self._own_names: dict[str, set[str]] = {}
        for name, path in paths.items():
            exact = self._key(path)
            bare = (*exact[:-1], without_clip_ending(exact[-1])) if exact else exact
            keys = {exact, bare}
            if path == root:  # the only clip is the folder itself
                keys.add((composed(name).lower(),))
            folder = composed(path.parent.name).lower()
            self._own_names[name] = {folder, *(key[-1] for key in keys if key)}
            for key in keys:
                self._names.setdefault(key, []).append(name)
        self._of_frame = {
            image.resolve(): (name, number)
            for name, path in paths.items()
            if path.is_dir()
            for number, image in enumerate(image_files(path))
        }

    def named_as(self, path: Path) -> tuple[str, int | None] | None:
        """The clip that a file or folder of masks is named after, and the number in its name.

        patient1_gt.nii.gz, masks/patient1.nii.gz and patient1_mask_0012.png belong to patient1;
        case1/masks belongs to the only clip in case1.
        """
        for key, number in self._keys(path):
            names = self._names.get(key, [])
            if len(names) == 1:
                return names[0], number
        if path.name.lower() in MASK_FOLDERS:
            beside = [name for name, clip in self.paths.items() if clip.parent == path.parent]
            return (beside[0], None) if len(beside) == 1 else None
        return None

    def why_of_none(self, path: Path, otherwise: str) -> str:
        """Why a file belongs to no clip: several clips have the name, or else `otherwise`."""
        if alike := self._of_one_name(path.parent) or self._of_one_name(path):
            return (
                f"belongs to one of {' and '.join(alike)}, which have the same name: rename or "
                "remove one of these clips"
            )
        return otherwise

    def _of_one_name(self, path: Path) -> list[str]:
        """The clips that a file or folder of masks may belong to, because they have one name."""
        names = [self._names.get(key, []) for key, _ in self._keys(path)]
        return max(names, key=len) if max(map(len, names)) > 1 else []

    def of_frame_file(self, path: Path) -> tuple[str, int | None] | None:
        """The clip of a file with one frame's annotation, and the frame's number in its name.

        The clip is named by the folder, as in rest_masks/12.png, or by the file, as in
        rest_12_mask.png. If they name two clips, the file is right where its name also has the
        number, or where its folder is none of masks.
        """
        by_file, by_folder = self.named_as(path), self.named_as(path.parent)
        if by_folder is None:
            return by_file
        if by_file and (by_file[1] is not None or not is_folder_of_masks(path.parent)):
            return by_file
        name = by_folder[0]
        return name, None if self.is_name_of(name, path) else number_in(path)

    def is_name_of(self, clip: str, path: Path) -> bool:
        """Whether a file has the name of a clip or of its folder, so that a number is no frame's.

        A name that is only a number is that of a frame.
        """
        bare = bare_stem(path)
        return bare in self._own_names[clip] and not bare.isdigit()

    def only_beside(self, path: Path) -> str | None:
        """The clip in the folder of a file, if it is the only one."""
        folder = path.parent.parent if path.parent.name.lower() in MASK_FOLDERS else path.parent
        beside = [name for name, clip in self.paths.items() if clip.parent == folder]
        return beside[0] if len(beside) == 1 else None

    def of_frame(self, image: Path) -> tuple[str, int] | None:
        """The clip that an image file is a frame of, and the index of the frame."""
        return self._of_frame.get(image.resolve())

    def called(self, file_name: str) -> str | None:
        """The clip with this file name; None if there is none, or more than one."""
        stated_path = Path(file_name.replace("\\", "/"))
        matches = [name for name, path in self.paths.items() if path.name == stated_path.name]
        if len(matches) > 1:
            tail = "/" + "/".join(stated_path.parts[-2:])
            matches = [name for name in matches if f"/{self.paths[name].as_posix()}".endswith(tail)]
        return matches[0] if len(matches) == 1 else None

    def _keys(self, path: Path) -> Iterator[tuple[tuple[str, ...], int | None]]:
        """Keys of the clips that masks may be named after, each with the number in the name."""
        *folders, stem = self._key(path) or ("",)
        bare = _MASK_ENDING.sub("", stem)
        yield _without_empty(*folders, bare), None
        for numbered in filter(None, map(_NUMBERED.match, (bare, stem))):
            name = _MASK_ENDING.sub("", numbered["name"])
            yield _without_empty(*folders, name), int(numbered["number"])

    def _key(self, path: Path) -> tuple[str, ...]:
        """The path of a file in lower case, without folders named after their kind of files.

        It is empty for the root, whose own name is part of no path.
        """
        stem = stem_of(path).lower()
        folders = [composed(part).lower() for part in path.relative_to(self.root).parent.parts]
        folders += [stem] * (path.is_dir() and path != self.root)
        parts = tuple(part for part in folders if part not in (*FRAME_FOLDERS, *MASK_FOLDERS))
        return parts if path.is_dir() else (*parts, stem)


def _without_empty(*parts: str) -> tuple[str, ...]:
    return tuple(part for part in parts if part)


def composed(name: str) -> str:
    """The name with every accent in its letter; macOS stores 'ü' as 'u' and two dots."""
    return unicodedata.normalize("NFC", name)


def stem_of(path: Path) -> str:
    """The composed name without .mp4, .nii.gz and the like; a folder keeps its full name."""
    name = composed(path.name)
    for ending in _ENDINGS:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    has_suffix = re.fullmatch(r"\.[A-Za-z][A-Za-z0-9]{0,4}", path.suffix)
    return composed(path.stem) if has_suffix and not path.is_dir() else name


def is_named_as_mask(path: Path) -> bool:
    """Whether a name ends like that of a mask, before any number: clip_mask, clip_gt_0012."""
    stem = stem_of(path).lower()
    numbered = _NUMBERED.match(stem)
    return any(_MASK_ENDING.search(name) for name in (stem, numbered["name"] if numbered else ""))


def is_folder_of_masks(folder: Path) -> bool:
    """Whether a folder is named as one of masks: masks, clip_masks."""
    return folder.name.lower() in MASK_FOLDERS or is_named_as_mask(folder)


def bare_stem(path: Path) -> str:
    """The name in lower case without suffix and without an ending such as _mask."""
    return _MASK_ENDING.sub("", stem_of(path).lower())


def without_clip_ending(stem: str) -> str:
    """A name in lower case without an ending of pictures, such as _image or nnU-Net's _0000."""
    return _CLIP_ENDING.sub("", stem)


def number_in(path: Path) -> int | None:
    """The number at the end of a file's name, or before _mask; None if there is none."""
    return number_of(bare_stem(path))


def number_of(stem: str) -> int | None:
    """The number at the end of a name; None if there is none."""
    numbered = _NUMBERED.match(stem)
    return int(numbered["number"]) if numbered else None
