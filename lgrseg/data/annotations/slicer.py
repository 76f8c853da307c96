"""3D Slicer's segmentations (.seg.nrrd), and NRRD files of numbers.

    clip.nii.gz   clip.seg.nrrd
    case1/clip.dcm   case1/Segmentation.seg.nrrd     beside the only clip of a folder

The axes are (x, y, t), because Slicer loads a clip as a volume. The header describes each segment
by Segment0_Name and Segment0_LabelValue. If segments overlap, Segment0_Layer is the index of the
segment's layer on the list axis. A file that is cropped to the segments has its position in
Segmentation_ReferenceImageExtentOffset. In a sequence, each entry of the list axis, or of a fourth
axis, is one frame. A frame without any segment is not annotated.
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
    annotations: dict[str, Annotation] = {}
    for file in files:
        named = clips.named_as(file)
        clip = named[0] if named else clips.only_beside(file)
        place = file.relative_to(clips.root).as_posix()
        if clip is None:
            problems[place] = clips.why_of_none(
                file, "is not named after a clip; name it like the clip, with .seg.nrrd"
            )
        elif clip in annotations:
            problems[place] = f"{clip} has another segmentation, {annotations[clip].files[0].name}"
        else:
            annotations[clip] = Annotation(KIND, (file,))
    return annotations


def read(
    annotation: Annotation, clip: AnnotatedClip, classes: ClassList, notes: list[str]
) -> dict[int, np.ndarray]:
    """Frame -> mask, (H, W) uint8: 0 background, k + 1 for class k."""
    file = annotation.files[0]
    values, header = _read(file)
    segments = _segments(header)
    if values.size == values.shape[-1]:  # Slicer writes a single voxel if nothing is drawn
        values = np.zeros((clip.num_frames, *clip.size, 1), np.uint8)
    values = _as_frames(values, clip, file.name)
    values = _placed(values, header, clip, file.name)
    if not segments:
        if values.shape[-1] != 1:
            raise UnusableVideo(f"{file.name} has several layers, but no segment in its header")
        return annotated_frames(values[..., 0], classes, source=file.name)
    drawing = Drawing(clip, classes, source=file.name)
    for layer in range(values.shape[-1]):
        allowed = {0, *(segment.value for segment in segments if segment.layer == layer)}
        if unknown := sorted(set(np.unique(values[..., layer]).tolist()) - allowed):
            raise UnusableVideo(f"{file.name} holds values of no segment: {unknown}")
    for segment in segments:
        if segment.layer >= values.shape[-1]:
            raise UnusableVideo(
                f"{file.name} lacks layer {segment.layer} of segment {segment.name}"
            )
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
    """The segments in the order of their numbers, in which they are drawn."""
    numbers = {int(match[1]) for key in header if (match := re.match(r"Segment(\d+)_", key))}
    segments = []
    for position, number in enumerate(sorted(numbers)):
        has_value = f"Segment{number}_LabelValue" in header
        segments.append(
            Segment(
                name=header.get(f"Segment{number}_Name") or header.get(f"Segment{number}_ID", ""),
                # Before version 4.11 every segment had its own layer, with the value 1.
                value=int(header[f"Segment{number}_LabelValue"]) if has_value else 1,
                layer=int(header.get(f"Segment{number}_Layer", 0 if has_value else position)),
            )
        )
    return segments


def _as_frames(values: np.ndarray, clip: AnnotatedClip, name: str) -> np.ndarray:
    """Find the axis of time, and rearrange the values to (T, H, W, layers)."""
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
    """Extend the values to the whole clip, if the file is cropped to a part of it."""
    clip_shape = (clip.num_frames, *clip.size)
    if values.shape[:3] == clip_shape:
        return values
    offset = header.get("Segmentation_ReferenceImageExtentOffset", "").split()
    if len(offset) != 3:
        raise UnusableVideo(
            f"{name} has (t, y, x) = {values.shape[:3]}, the clip {clip_shape}, but no "
            "position in Segmentation_ReferenceImageExtentOffset"
        )
    placed = np.zeros((*clip_shape, values.shape[-1]), values.dtype)
    inside, source = [], []
    for start, length, size in zip(
        map(int, offset[::-1]), values.shape[:3], clip_shape, strict=True
    ):
        inside.append(slice(max(start, 0), max(0, min(start + length, size))))
        source.append(slice(inside[-1].start - start, max(0, inside[-1].stop - start)))
    placed[tuple(inside)] = values[tuple(source)]
    if np.count_nonzero(placed) != np.count_nonzero(values):
        raise UnusableVideo(
            f"{name} reaches beyond the clip: (t, y, x) = {values.shape[:3]} from "
            f"({', '.join(offset[::-1])}) on, the clip has {clip_shape}"
        )
    return placed
