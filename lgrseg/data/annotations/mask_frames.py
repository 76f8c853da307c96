"""Masks as image files, one per frame: numbers, or the colours in classes.yaml.

    frames/0001.png   masks/0001.png           a folder of frames: the image of the same name
    clip.mp4          clip_masks/0012.png      other clips: the number in the name,
    clip.mp4          masks/clip/frame_12.png  counted from --first-frame (default 0)
    clip.mp4          clip_0012_mask.png

Every file is an annotated frame, even if it shows no structure. With a single structure, the rules
of lgrseg/data/io/mask_images.py apply to values of 0 and 255, palettes and smooth edges.
"""

from pathlib import Path

import numpy as np

from lgrseg.data.annotations.clip import (
    AnnotatedClip,
    Annotation,
    Clips,
    bare_stem,
    is_folder_of_masks,
    is_named_as_mask,
    number_of,
    stem_of,
    without_clip_ending,
)
from lgrseg.data.annotations.volumes import whole_numbers
from lgrseg.data.class_list import ClassList
from lgrseg.data.io import IMAGES
from lgrseg.data.io.mask_images import read_mask_image
from lgrseg.data.raw_video import UnusableVideo

KIND = "mask_frames"


def claims(path: Path) -> bool:
    """Whether a file is an image that is named as a mask, or lies in a folder of masks."""
    if path.suffix.lower() not in IMAGES:
        return False
    folders = (path.parent, path.parent.parent)
    return is_named_as_mask(path) or any(map(is_folder_of_masks, folders))


def find(files: list[Path], clips: Clips, problems: dict[str, str]) -> dict[str, Annotation]:
    """Clip -> its masks, by the name of their folder or of the files."""
    of_clip: dict[str, dict[Path, int | None]] = {}
    for file in files:
        named = clips.of_frame_file(file)
        if named is None:
            problems[file.relative_to(clips.root).as_posix()] = clips.why_of_none(
                file,
                "is a mask, but of no clip here; name its folder after the clip, such as "
                "NAME_masks or masks/NAME, or use the clip's name and a number as its file name",
            )
        else:
            of_clip.setdefault(named[0], {})[file] = named[1]
    return {
        name: Annotation(KIND, tuple(numbers), list(numbers.values()))
        for name, numbers in of_clip.items()
    }


def read(
    annotation: Annotation, clip: AnnotatedClip, classes: ClassList, notes: list[str]
) -> dict[int, np.ndarray]:
    """Frame -> mask, (H, W) uint8: 0 background, k + 1 for class k."""
    masks: dict[int, np.ndarray] = {}
    for file, number in zip(annotation.files, annotation.content, strict=True):
        frame = frame_of(file, number, clip)
        if frame in masks:
            raise UnusableVideo(f"{_name(file)} and another file are both masks of frame {frame}")
        masks[frame] = _mask(file, frame, clip, classes, notes)
    return masks


def frame_of(file: Path, number: int | None, clip: AnnotatedClip) -> int:
    """The frame that a file with one frame's annotation belongs to, counted from 0.

    Args:
        file: file with the annotation of one frame.
        number: number of the frame in the name of the file; None if there is none.
        clip: clip that the file belongs to.

    Raises:
        UnusableVideo: the name of the file does not determine a frame.
    """
    stems = [bare_stem(image) for image in clip.frame_files]
    short = [without_clip_ending(stem) for stem in stems]
    if any(map(str.__eq__, stems, short)):  # a_0000 beside a_0001 is a number
        short = stems
    for names in (stems, short):
        if names.count(bare_stem(file)) == 1:
            return names.index(bare_stem(file))
    if number is None and clip.num_frames == 1:
        return 0
    numbers = [number_of(name) for name in short]
    if number is not None and numbers.count(number) == 1:
        return numbers.index(number)
    if clip.frame_files:
        raise UnusableVideo(f"{_name(file)} does not have the name of a frame in {clip.path.name}")
    if number is None:
        raise UnusableVideo(
            f"{_name(file)} does not say which frame it belongs to: its name must end with the "
            f"number of the frame, such as {stem_of(clip.path)}_mask_0012"
        )
    frame = number - clip.first_number
    if not 0 <= frame < clip.num_frames:
        last = clip.num_frames - 1 + clip.first_number
        raise UnusableVideo(
            f"{_name(file)} belongs to frame {number}, but the clip has the frames "
            f"{clip.first_number} to {last}; --first-frame 1 counts from 1"
        )
    return frame


def _mask(
    file: Path, frame: int, clip: AnnotatedClip, classes: ClassList, notes: list[str]
) -> np.ndarray:
    picture = clip.frame_files[frame] if clip.frame_files else file
    if classes.index_of_value == {0: 0, 1: 1}:
        return read_mask_image(file, 1, picture=picture, shown=clip.size, notes=notes)
    mask = _several(file, classes)
    if mask.shape != tuple(clip.size):
        raise UnusableVideo(
            f"{_name(file)} is {mask.shape}, the frames are {tuple(clip.size)} (rows, columns): "
            "masks must have the size of the frames; resize them without interpolation"
        )
    return mask


def _several(file: Path, classes: ClassList) -> np.ndarray:
    """A mask of several structures: grey values and palettes by number, colours by classes.yaml."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            if image.format == "JPEG":
                raise UnusableVideo(
                    f"{_name(file)} is a JPEG, whose values are not exact: save masks of "
                    "several structures as PNG"
                )
            if image.mode in ("RGB", "RGBA"):
                return _by_color(np.asarray(image.convert("RGB")), _name(file), classes)
            grey = image.convert("L") if image.mode == "LA" else image
            numbers = whole_numbers(np.asarray(grey), source=_name(file))
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise UnusableVideo(f"{_name(file)} is not an image, or is damaged ({error})") from error
    return classes.map_values(numbers, source=_name(file))


def _by_color(pixels: np.ndarray, name: str, classes: ClassList) -> np.ndarray:
    colors, indices = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    is_grey = (colors == colors[:, :1]).all()
    if is_grey and len(classes.index_of_color) == 1:
        return classes.map_values(pixels[..., 0], source=name)
    table = []
    for color in map(tuple, colors.tolist()):
        if color not in classes.index_of_color:
            known = ", ".join(str(list(c)) for c in classes.index_of_color)
            raise UnusableVideo(
                f"{name} holds the colour {list(color)}; classes.yaml has the colours {known}"
            )
        table.append(classes.index_of_color[color])
    return np.array(table, np.uint8)[indices.ravel()].reshape(pixels.shape[:2])


def _name(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"
