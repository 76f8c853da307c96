"""LabelMe's JSON, one file per frame: polygons and masks.

    frames/0001.png   frames/0001.json     beside the frame, or with its path as imagePath
    clip.mp4          clip_labels/12.json  other clips: the number in the name

Rectangles, circles, lines and points are refused. A file without shapes is an annotated frame
without structures.
"""

import base64
import binascii
import io
from pathlib import Path

import numpy as np

from lgrseg.data.annotations.clip import AnnotatedClip, Annotation, Clips
from lgrseg.data.annotations.json_files import json_content
from lgrseg.data.annotations.mask_frames import frame_of
from lgrseg.data.annotations.shapes import Drawing, refuse_shape
from lgrseg.data.class_list import ClassList
from lgrseg.data.io import IMAGES
from lgrseg.data.raw_video import UnusableVideo

KIND = "labelme"


def claims(path: Path) -> bool:
    """Whether this module reads such a file."""
    return {"shapes", "imagePath"} <= set(json_content(path))


def find(files: list[Path], clips: Clips, problems: dict[str, str]) -> dict[str, Annotation]:
    """Clip -> its files, each with its frame or, if that is not known yet, its number."""
    of_clip: dict[str, dict[Path, tuple[int | None, int | None]]] = {}
    for file in files:
        if framed := _frame_beside(file, clips):
            of_clip.setdefault(framed[0], {})[file] = framed[1], None
        elif named := clips.of_frame_file(file):
            of_clip.setdefault(named[0], {})[file] = None, named[1]
        else:
            problems[file.relative_to(clips.root).as_posix()] = clips.why_of_none(
                file,
                "belongs to no frame here: its imagePath is not a frame, and its name is not "
                "a clip's name with a number",
            )
    return {
        name: Annotation(KIND, tuple(frames), list(frames.values()))
        for name, frames in of_clip.items()
    }


def _frame_beside(file: Path, clips: Clips) -> tuple[str, int] | None:
    path = str(json_content(file)["imagePath"]).replace("\\", "/")
    images = [file.parent / path, *(file.with_suffix(ending) for ending in IMAGES)]
    return next(filter(None, map(clips.of_frame, images)), None)


def read(
    annotation: Annotation, clip: AnnotatedClip, classes: ClassList, notes: list[str]
) -> dict[int, np.ndarray]:
    """Frame -> mask, (H, W) uint8: 0 background, k + 1 for class k."""
    masks: dict[int, np.ndarray] = {}
    for file, (known_frame, number) in zip(annotation.files, annotation.content, strict=True):
        frame = frame_of(file, number, clip) if known_frame is None else known_frame
        if frame in masks:
            raise UnusableVideo(f"{file.name} and another file both belong to frame {frame}")
        content = json_content(file)
        drawing = Drawing(clip, classes, source=f"{file.parent.name}/{file.name}")
        drawing.check_size(content.get("imageHeight"), content.get("imageWidth"))
        drawing.frame(frame)
        for shape in content["shapes"]:
            _draw(shape, drawing, frame)
        masks |= drawing.finished(notes)
    return masks


def _draw(shape: dict, drawing: Drawing, frame: int) -> None:
    kind, label = shape.get("shape_type", "polygon"), str(shape.get("label"))
    if kind == "polygon":
        drawing.add_shape(frame, label, [np.ravel(shape.get("points", [])).tolist()])
    elif kind == "mask":
        drawing.add_mask(frame, label, _decoded(shape, drawing))
    else:
        refuse_shape(kind, source=drawing.source)


def _decoded(shape: dict, drawing: Drawing) -> np.ndarray:
    """Decode a mask, (H, W) bool: a base64 image of a box, with both of its corners inside."""
    from PIL import Image

    try:
        (left, top), (right, bottom) = np.asarray(shape["points"], int).tolist()
        with Image.open(io.BytesIO(base64.b64decode(shape["mask"]))) as image:
            inside = np.asarray(image) > 0
    except (KeyError, TypeError, ValueError, OSError, binascii.Error) as error:
        raise UnusableVideo(f"{drawing.source} holds a damaged mask ({error})") from error
    mask = np.zeros(drawing.clip.size, bool)
    region = mask[max(top, 0) : bottom + 1, max(left, 0) : right + 1]
    if region.shape != inside.shape:
        raise UnusableVideo(
            f"{drawing.source} holds a mask of {inside.shape} between ({left}, {top}) and "
            f"({right}, {bottom}), in frames of {drawing.clip.size}"
        )
    region[:] = inside
    return mask
