"""Masks as NIfTI, MetaImage or TIFF files with many pages: one number per pixel, axes (x, y, t).

    clip.nii.gz   clip_gt.nii.gz            as many frames as the clip
    clip.mp4      masks/clip.nii.gz
    clip.tif      clip_mask.tif             as many pages
    clip.dcm      clip_mask_0012.nii.gz     the mask of one frame, whose number is in the name

A frame without any value above 0 is not annotated.
"""

from pathlib import Path

import numpy as np

from lgrseg.data.annotations.clip import AnnotatedClip, Annotation, Clips
from lgrseg.data.class_list import ClassList
from lgrseg.data.io import UnreadableFile, read_nifti
from lgrseg.data.io.axes import clip_axes
from lgrseg.data.io.placement import affine_of_file, affine_without_place
from lgrseg.data.io.stills import TIFFS, num_pages
from lgrseg.data.io.video import one_line
from lgrseg.data.raw_video import UnusableVideo

KIND = "volumes"
ENDINGS = (".nii", ".nii.gz", ".mha", ".mhd")


def claims(path: Path) -> bool:
    """Whether this module reads such a file."""
    is_stack = path.suffix.lower() in TIFFS and num_pages(path) > 1
    return path.name.lower().endswith(ENDINGS) or is_stack


def find(files: list[Path], clips: Clips, problems: dict[str, str]) -> dict[str, Annotation]:
    """Clip -> its masks, by the names of the files."""
    numbered: dict[str, dict[Path, int | None]] = {}
    for file in files:
        if clip := clips.named_as(file):
            numbered.setdefault(clip[0], {})[file] = clip[1]
        else:
            problems[file.relative_to(clips.root).as_posix()] = clips.why_of_none(
                file,
                "is not named after a clip; name it like the clip with _mask or _gt, or like the "
                "clip in a folder masks",
            )
    return {
        name: Annotation(KIND, tuple(numbers), list(numbers.values()))
        for name, numbers in numbered.items()
    }


def read(
    annotation: Annotation, clip: AnnotatedClip, classes: ClassList, notes: list[str]
) -> dict[int, np.ndarray]:
    """Frame -> mask, (H, W) uint8: 0 background, k + 1 for class k."""
    masks: dict[int, np.ndarray] = {}
    for file, number in zip(annotation.files, annotation.content, strict=True):
        labels = read_labels(file)
        if labels.shape[1:] != clip.size:
            raise UnusableVideo(
                f"{file.name} has frames of (H, W) = {labels.shape[1:]}, the clip {clip.size}: "
                "masks must have the size of the frames, and the axes (x, y, t)"
            )
        first = 0 if number is None else number - clip.first_number
        if number is None and len(labels) != clip.num_frames:
            raise UnusableVideo(
                f"{file.name} holds {len(labels)} frames, the clip {clip.num_frames}: it is "
                "unclear which mask belongs to which frame. Store as many frames as the clip has, "
                "with zeros where nothing is annotated, or one file per frame with its number in "
                "the name"
            )
        if number is not None and len(labels) != 1:
            raise UnusableVideo(
                f"{file.name} belongs to frame {number}, but holds {len(labels)} frames"
            )
        if mirrored := mirrored_axes(file, clip.path, labels.shape):
            labels = np.flip(labels, mirrored)
            notes.append(
                f"{file.name} is stored mirrored, and covers the clip exactly where its affine "
                "places it: its masks were mirrored to lie there"
            )
        elif is_turned(file, clip.path):
            notes.append(
                f"{file.name} states that its axes have other directions than those of the clip. "
                "Its values are used as stored: check that the masks lie on their structures"
            )
        masks |= annotated_frames(labels, classes, source=file.name, first=first)
    if not masks:
        notes.append(f"{annotation.files[0].name} has no labels: no frame counts as annotated")
    return masks


def annotated_frames(
    labels: np.ndarray, classes: ClassList, *, source: str, first: int = 0
) -> dict[int, np.ndarray]:
    """Make prepared masks of the frames that have a label.

    Args:
        labels: (T, H, W) whole numbers.
        classes: meaning of the numbers.
        source: name of the file, for messages.
        first: index in the clip of the first frame.
    """
    shown = np.flatnonzero(labels.any(axis=(1, 2))).tolist()
    return {first + index: classes.map_values(labels[index], source=source) for index in shown}


def mirrored_axes(file: Path, clip: Path, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Axes of masks (T, H, W) to flip so that they lie where the affines of both files say.

    Programs that store volumes in a fixed orientation (RAS) write such masks. Empty unless every
    pixel of the masks then lies on the same pixel of the clip: an affine may also be wrong.
    """
    if not (_has_affine(clip) and clip.is_file() and _has_affine(file)):
        return ()
    of_masks, of_clip = (affine_of_file(path, None) for path in (file, clip))
    to_clip = np.linalg.inv(of_clip) @ of_masks
    signs = np.sign(np.diag(to_clip)[:2])
    last = np.array([shape[2] - 1, shape[1] - 1])
    expected = np.where(signs < 0, last, 0)
    same_step = np.allclose(to_clip[:2, :2], np.diag(signs), atol=0.5 / max(shape[1:]))
    if not same_step or (np.abs(to_clip[:2, 3] - expected) > 0.5).any():
        return ()
    return tuple(axis for axis, sign in zip((2, 1), signs, strict=True) if sign < 0)


def is_turned(file: Path, clip: Path) -> bool:
    """Whether the affines of masks and clip disagree about the directions of rows and columns.

    An affine without a position (identity, apart from the spacing) is ignored: programs that only
    have the array write it.
    """
    if not (_has_affine(clip) and clip.is_file() and _has_affine(file)):
        return False
    of_masks, of_clip = (_directions(affine_of_file(path, None)) for path in (file, clip))
    without_position = [
        _directions(np.eye(4)),
        _directions(affine_without_place(None)),
    ]
    if any(np.allclose(of_masks, plain, atol=1e-3) for plain in without_position):
        return False
    return bool(((of_masks * of_clip).sum(axis=0) < 0.9).any())


def _has_affine(path: Path) -> bool:
    return path.name.lower().endswith(ENDINGS)


def _directions(affine: np.ndarray) -> np.ndarray:
    """Unit vectors (3, 2) along which columns and rows increase."""
    axes = affine[:3, :2]
    return axes / np.linalg.norm(axes, axis=0)


def read_labels(file: Path) -> np.ndarray:
    """Read a file as whole numbers, (T, H, W).

    Raises:
        UnreadableFile: the file is damaged, or has other axes than a clip.
        UnusableVideo: the file holds colours or fractions.
    """
    if file.name.lower().endswith((".nii", ".nii.gz")):
        array, _ = read_nifti(file)
        shape = array.shape
        num_frames, coloured = clip_axes(shape, name=file.name)
        axes = (2, 1, 0)
    elif file.suffix.lower() in TIFFS:
        return whole_numbers(_read_pages(file), source=file.name)
    else:
        array = _read_metaimage(file)
        shape = array.shape[::-1]
        num_frames, coloured = clip_axes(shape, name=file.name)
        axes = (0, 1, 2)
    if coloured:
        raise UnusableVideo(f"{file.name} holds colours; it must hold numbers of structures")
    width, height = shape[:2]
    frames = (width, height, num_frames) if axes == (2, 1, 0) else (num_frames, height, width)
    return whole_numbers(array.reshape(frames).transpose(axes), source=file.name)


def whole_numbers(values: np.ndarray, *, source: str) -> np.ndarray:
    """The values as integers; UnusableVideo if one is not whole or is negative."""
    if values.dtype.kind not in "biu":
        wrong = values[~np.isfinite(values) | (values != np.rint(values))]
        if wrong.size:
            raise UnusableVideo(
                f"{source} holds the value {wrong[0]:g}; it must hold whole numbers of structures"
            )
        values = values.astype(np.int64)
    if values.size and values.min() < 0:
        raise UnusableVideo(f"{source} holds the value {values.min()}; values must be 0 or more")
    return values


def _read_pages(file: Path) -> np.ndarray:
    from PIL import Image, ImageSequence

    try:
        with Image.open(file) as image:
            pages = [np.asarray(page) for page in ImageSequence.Iterator(image)]
    except (OSError, SyntaxError) as error:
        raise UnreadableFile(f"{file.name} cannot be read: {one_line(error)}") from error
    if pages[0].ndim != 2 or len({page.shape for page in pages}) > 1:
        raise UnusableVideo(f"{file.name} must hold one number per pixel, and pages of one size")
    return np.stack(pages)


def _read_metaimage(file: Path) -> np.ndarray:
    import SimpleITK

    try:
        return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file)))
    except RuntimeError as error:
        raise UnreadableFile(f"{file.name} cannot be read: {one_line(error)}") from error
