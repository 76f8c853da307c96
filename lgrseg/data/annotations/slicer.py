"""3D Slicer's segmentations (.seg.nrrd), and NRRD files of numbers.

    clip.nii.gz   clip.seg.nrrd
    case1/clip.dcm   case1/Segmentation.seg.nrrd     beside the only clip of a folder

The axes are (x, y, t), as Slicer has a clip that it loaded as a volume. The header names the
segments: Segment0_Name, its Segment0_LabelValue and, where segments overlap, the Segment0_Layer of
the list axis that it is in. A file that is cut to the segments says by
Segmentation_ReferenceImageExtentOffset where it lies. A sequence is one frame for each entry of the
list axis, or of a fourth axis. A frame without any segment is not annotated.
Format: https://slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lgrseg.data.annotations.clip import AnnotatedClip, Annotation, Clips
from lgrseg.data.annotations.shapes import Drawing
from lgrseg.data.annotations.volumes import annotated_frames, whole_numbers
from lgrseg.data.class_list import ClassList
from lgrseg.data.io import UnreadableFile
from lgrseg.data.io.video import one_line
from lgrseg.data.raw_video import UnusableVideo

KIND = "slicer"


@dataclass(frozen=True)
class Segment:
    """One structure of a file."""

    name: str
    value: int
    layer: int


def claims(path: Path) -> bool:
    """Whether this module reads such a file."""
    return path.suffix.lower() == ".nrrd"


def find(files: list[Path], clips: Clips, problems: dict[str, str]) -> dict[str, Annotation]:
    """Clip -> its segmentation, by the name of the file or as the only clip beside it."""
    found: dict[str, Annotation] = {}
    for file in files:
        named = clips.named_as(file)
        clip = named[0] if named else clips.only_beside(file)
        place = file.relative_to(clips.root).as_posix()
        if clip is None:
            problems[place] = "is named after no clip; wanted is the clip's name with .seg.nrrd"
        elif clip in found:
            problems[place] = f"{clip} has another segmentation, {found[clip].files[0].name}"
        else:
            found[clip] = Annotation(KIND, (file,))
    return found


def read(
    annotation: Annotation, clip: AnnotatedClip, classes: ClassList, notes: list[str]
) -> dict[int, np.ndarray]:
    """Frame -> mask, (H, W) uint8: 0 background, k + 1 for class k."""
    file = annotation.files[0]
    values, header = _read(file)
    segments = _segments(header)
    if values.size == values.shape[-1]:  # a single voxel is Slicer's way to say: nothing is drawn
        values = np.zeros((clip.num_frames, *clip.size, 1), np.uint8)
    values = _as_frames(values, clip, file.name)
    values = _placed(values, header, clip, file.name)
    if not segments:
        if values.shape[-1] != 1:
            raise UnusableVideo(f"{file.name} has several layers, and names no segment")
        return annotated_frames(values[..., 0], classes, source=file.name)
    drawing = Drawing(clip, classes, source=file.name)
    for layer in range(values.shape[-1]):
        known = {0, *(segment.value for segment in segments if segment.layer == layer)}
        if unknown := sorted(set(np.unique(values[..., layer]).tolist()) - known):
            raise UnusableVideo(f"{file.name} holds the values {unknown} of no segment")
    for segment in segments:
        if segment.layer >= values.shape[-1]:
            raise UnusableVideo(f"{file.name} has no layer {segment.layer}, of {segment.name}")
        shown = values[..., segment.layer] == segment.value
        for frame in np.flatnonzero(shown.any(axis=(1, 2))).tolist():
            drawing.add_mask(frame, segment.name, shown[frame])
    return drawing.finished(notes)


def _read(file: Path) -> tuple[np.ndarray, dict[str, str]]:
    """The numbers, (..., z, y, x, layers), and the header's items."""
    import SimpleITK

    try:
        image = SimpleITK.ReadImage(str(file))
    except RuntimeError as error:
        raise UnreadableFile(f"{file.name} cannot be read: {one_line(error)}") from error
    values = SimpleITK.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() == 1:
        values = values[..., None]
    header = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    return whole_numbers(values, source=file.name), header


def _segments(header: dict[str, str]) -> list[Segment]:
    """The segments in the order of their numbers, which is that of drawing."""
    numbers = {int(found[1]) for key in header if (found := re.match(r"Segment(\d+)_", key))}
    segments = []
    for place, number in enumerate(sorted(numbers)):
        has_value = f"Segment{number}_LabelValue" in header
        segments.append(
            Segment(
                name=header.get(f"Segment{number}_Name") or header.get(f"Segment{number}_ID", ""),
                # Before version 4.11 every segment was a layer of its own, of the value 1.
                value=int(header[f"Segment{number}_LabelValue"]) if has_value else 1,
                layer=int(header.get(f"Segment{number}_Layer", 0 if has_value else place)),
            )
        )
    return segments


def _as_frames(values: np.ndarray, clip: AnnotatedClip, name: str) -> np.ndarray:
    """(T, H, W, layers), whichever axis is the time."""
    *time, height, width, layers = values.shape
    lengths = [length for length in time if length != 1]
    if not lengths and clip.num_frames > 1 and layers == clip.num_frames:
        return np.moveaxis(values.reshape(height, width, layers), -1, 0)[..., None]
    if len(lengths) > 1:
        raise UnusableVideo(
            f"{name} has the axes {values.shape[:-1][::-1]}; a clip's are (x, y, t)"
        )
    return values.reshape(-1, height, width, layers)


def _placed(
    values: np.ndarray, header: dict[str, str], clip: AnnotatedClip, name: str
) -> np.ndarray:
    """The numbers over the whole clip, where the file is cut to a part of it."""
    whole = (clip.num_frames, *clip.size)
    if values.shape[:3] == whole:
        return values
    offset = header.get("Segmentation_ReferenceImageExtentOffset", "").split()
    if len(offset) != 3:
        raise UnusableVideo(
            f"{name} has (t, y, x) = {values.shape[:3]}, the clip {whole}, and no "
            "Segmentation_ReferenceImageExtentOffset says where it lies"
        )
    placed = np.zeros((*whole, values.shape[-1]), values.dtype)
    inside, source = [], []
    for start, length, size in zip(map(int, offset[::-1]), values.shape[:3], whole, strict=True):
        inside.append(slice(max(start, 0), max(0, min(start + length, size))))
        source.append(slice(inside[-1].start - start, max(0, inside[-1].stop - start)))
    placed[tuple(inside)] = values[tuple(source)]
    if np.count_nonzero(placed) != np.count_nonzero(values):
        raise UnusableVideo(
            f"{name} reaches beyond the clip: (t, y, x) = {values.shape[:3]} from "
            f"({', '.join(offset[::-1])}) on, the clip has {whole}"
        )
    return placed
