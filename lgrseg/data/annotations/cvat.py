"""CVAT's XML 1.1, for video and for images: polygons and masks, with frames counted from 0.

    clip.mp4   clip.xml                      named after the clip,
    case1/clip.mp4   case1/annotations.xml   or beside the only clip of a folder,
    annotations.xml                          or with the clip's file name as the task's source

A track holds one shape per frame. Shapes marked `outside` are ignored. Shapes that CVAT
interpolated between keyframes are used too. Boxes, lines and points are refused. A frame without
any shape is not annotated. Format: https://docs.cvat.ai/docs/other/xml_format
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from lgrseg.data.annotations.clip import AnnotatedClip, Annotation, Clips
from lgrseg.data.annotations.shapes import Drawing, refuse_shape
from lgrseg.data.class_list import ClassList
from lgrseg.data.raw_video import UnusableVideo

KIND = "cvat"
DRAWN = ("polygon", "mask")
DrawnShape = tuple[int, str, ElementTree.Element]
"""Index of the frame, name of the structure, and the shape's element of the file."""


def claims(path: Path) -> bool:
    """Whether this module reads such a file."""
    return path.suffix.lower() == ".xml"


def find(files: list[Path], clips: Clips, problems: dict[str, str]) -> dict[str, Annotation]:
    """Clip -> its file, and the number of its task if the file holds several."""
    annotations: dict[str, Annotation] = {}
    for file in files:
        place = file.relative_to(clips.root).as_posix()
        try:
            tasks = _tasks(_root(file))
        except UnusableVideo as error:
            problems[place] = str(error)
            continue
        for number, source in tasks.items():
            named = clips.named_as(file) if len(tasks) == 1 else None
            clip = clips.called(source) or (named and named[0])
            clip = clip or (clips.only_beside(file) if len(tasks) == 1 else None)
            if clip is None:
                reason = (
                    f"belongs to {source or 'a task without source'}, which is not a clip here; "
                    "name the file after its clip, or put it into the folder of its clip"
                )
                problems[place] = clips.why_of_none(file, reason) if len(tasks) == 1 else reason
            elif clip in annotations:
                problems[place] = f"{clip} has another CVAT file, {annotations[clip].files[0].name}"
            else:
                annotations[clip] = Annotation(KIND, (file,), number if len(tasks) > 1 else None)
    return annotations


def read(
    annotation: Annotation, clip: AnnotatedClip, classes: ClassList, notes: list[str]
) -> dict[int, np.ndarray]:
    """Frame -> mask, (H, W) uint8: 0 background, k + 1 for class k."""
    file = annotation.files[0]
    root = _root(file)
    drawing = Drawing(clip, classes, source=file.name)
    if annotation.content is None:
        size = root.find(".//meta//original_size")
        if size is not None:
            drawing.check_size(size.findtext("height"), size.findtext("width"))
    num_interpolated = 0
    shapes = [*_shapes_of_tracks(root, annotation.content), *_shapes_of_images(root, clip, file)]
    for frame, label, shape in sorted(shapes, key=_drawn_later):
        if shape.tag not in DRAWN:
            refuse_shape(shape.tag, source=file.name, frame=frame)
        num_interpolated += shape.get("keyframe") == "0"
        if shape.tag == "mask":
            drawing.add_mask(frame, label, _decoded(shape, clip.size, file.name, frame))
        else:
            drawing.add_shape(frame, label, [_corners(shape, file.name, frame)])
    if num_interpolated:
        notes.append(
            f"{file.name}: {num_interpolated} of {len(shapes)} shapes are interpolated by CVAT"
        )
    return drawing.finished(notes)


def _drawn_later(entry: DrawnShape) -> tuple[int, int]:
    frame, _, shape = entry
    return frame, int(shape.get("z_order", 0))


def _root(file: Path) -> ElementTree.Element:
    content = file.read_bytes()
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise UnusableVideo("defines XML entities, which no annotation tool needs: not opened")
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise UnusableVideo(f"is not XML, or is truncated ({error})") from error
    if root.tag != "annotations":
        raise UnusableVideo(f"is not a CVAT file: it begins with <{root.tag}>, not <annotations>")
    return root


def _tasks(root: ElementTree.Element) -> dict[str, str]:
    """Id of every task -> name of the file that it was drawn on; empty if that is unknown."""
    tasks = root.findall(".//meta//task") or root.findall(".//meta/job")
    sources = {
        t.findtext("id", ""): t.findtext("source") or t.findtext("name") or "" for t in tasks
    }
    source = root.findtext(".//meta/source")
    if len(sources) <= 1:
        return {"": source or next(iter(sources.values()), "")}
    return sources


def _shapes_of_tracks(root: ElementTree.Element, task: str | None) -> Iterator[DrawnShape]:
    for track in root.iter("track"):
        if task is None or track.get("task_id") == task:
            for shape in track:
                frame = shape.get("frame")
                if shape.get("outside") != "1" and frame is not None:
                    yield int(frame), track.get("label", ""), shape


def _shapes_of_images(
    root: ElementTree.Element, clip: AnnotatedClip, file: Path
) -> Iterator[DrawnShape]:
    """Shapes of "CVAT for images": an image is matched to a frame by its name, or else its id."""
    names = Counter(image.name for image in clip.frame_files)
    places = {image.name: index for index, image in enumerate(clip.frame_files)}
    for image in root.iter("image"):
        name = Path(image.get("name", "").replace("\\", "/")).name
        frame = places[name] if names[name] == 1 else int(image.get("id", -1))
        size = int(float(image.get("height", 0))), int(float(image.get("width", 0)))
        if size not in ((0, 0), clip.size):
            raise UnusableVideo(
                f"{file.name}: {name} has {size[0]} rows x {size[1]} columns, the clip "
                f"{clip.size[0]} x {clip.size[1]}"
            )
        for shape in image:
            label = shape.get("label")
            if label is not None and shape.tag != "tag":
                yield frame, label, shape


def _corners(shape: ElementTree.Element, source: str, frame: int) -> list[float]:
    try:
        pairs = [pair.split(",") for pair in shape.get("points", "").split(";")]
        return [float(value) for x, y in pairs for value in (x, y)]
    except ValueError as error:
        raise UnusableVideo(
            f"{source}, frame {frame}: points are not of the form x,y;x,y"
        ) from error


def _decoded(
    shape: ElementTree.Element, size: tuple[int, int], source: str, frame: int
) -> np.ndarray:
    """Decode a mask, (H, W) bool: run lengths of the rows of a box, beginning with background."""
    try:
        left, top, width, height = (
            int(float(shape.attrib[key])) for key in ("left", "top", "width", "height")
        )
        runs = [int(run) for run in shape.get("rle", "").split(",")]
    except (KeyError, ValueError) as error:
        raise UnusableVideo(f"{source}, frame {frame}: a mask without rle, left, top") from error
    inside = left >= 0 and top >= 0 and top + height <= size[0] and left + width <= size[1]
    if min(runs) < 0 or sum(runs) != width * height or not inside:
        raise UnusableVideo(
            f"{source}, frame {frame}: a mask of {width} x {height} at ({left}, {top}) has run "
            f"lengths of {sum(runs)} pixels, in frames of {size[1]} x {size[0]}"
        )
    values = np.arange(len(runs)) % 2 == 1
    mask = np.zeros(size, bool)
    mask[top : top + height, left : left + width] = np.repeat(values, runs).reshape(height, width)
    return mask
