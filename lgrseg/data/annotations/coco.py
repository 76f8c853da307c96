"""COCO: polygons and RLE of frames stored as images, or of videos as in YouTube-VIS.

An image of the file is a frame of a clip if its file_name is the path of an image in a folder of
frames, or has the clip's name and a number: case1/000012.png, case1_000012.png. If the file is
named after a clip, or lies beside the only clip of a folder, the number alone is enough. In
YouTube-VIS, entry k of `segmentations` belongs to entry k of the video's `file_names`.

Objects that only have a box are refused. A frame without any object is not annotated.
"""

from pathlib import Path

import numpy as np

from lgrseg.data.annotations.clip import AnnotatedClip, Annotation, Clips, number_in
from lgrseg.data.annotations.json_files import json_content
from lgrseg.data.annotations.mask_frames import frame_of
from lgrseg.data.annotations.shapes import Drawing, refuse_shape
from lgrseg.data.class_list import ClassList
from lgrseg.data.raw_video import UnusableVideo

KIND = "coco"


def claims(path: Path) -> bool:
    """Whether this module reads such a file."""
    content = json_content(path)
    return {"annotations", "categories"} <= set(content) and bool(
        {"images", "videos"} & set(content)
    )


def find(files: list[Path], clips: Clips, problems: dict[str, str]) -> dict[str, Annotation]:
    """Clip -> the objects on its frames."""
    objects: dict[str, list[dict]] = {}
    sources: dict[str, Path] = {}
    for file in files:
        place = file.relative_to(clips.root).as_posix()
        try:
            entries = _objects(json_content(file))
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            problems[place] = f"is not a complete COCO file: {type(error).__name__} {error}"
            continue
        for entry in entries:
            framed = _frame(entry["file_name"], file, clips)
            if framed is None:
                problems[f"{place}, {entry['file_name']}"] = clips.why_of_none(
                    file,
                    "is not a frame of a clip here: its file_name must be the path of a frame, or "
                    "have the clip's name and a number",
                )
                continue
            name = framed[0]
            if sources.setdefault(name, file) != file:
                problems[place] = f"{name} has another COCO file, {sources[name].name}"
                continue
            objects.setdefault(name, []).append(entry | framed[1])
    return {
        name: Annotation(KIND, (), {"source": sources[name].name, "objects": entries})
        for name, entries in objects.items()
    }


def _objects(content: dict) -> list[dict]:
    """Every object on a frame: "file_name", "label", "shape", and "size" of the picture."""
    labels = {category["id"]: str(category["name"]) for category in content["categories"]}
    images = {image["id"]: image for image in content.get("images") or ()}
    videos = {video["id"]: video for video in content.get("videos") or ()}
    objects = []
    for annotation in content["annotations"]:
        label = labels[annotation["category_id"]]
        if "segmentations" in annotation:
            video = videos[annotation["video_id"]]
            size = [video.get("height"), video.get("width")]
            shapes = zip(video["file_names"], annotation["segmentations"], strict=False)
            for name, shape in shapes:
                if shape:
                    objects.append(
                        {"file_name": name, "label": label, "shape": shape, "size": size}
                    )
            continue
        image = images[annotation["image_id"]]
        objects.append(
            {
                "file_name": image["file_name"],
                "label": label,
                "shape": annotation.get("segmentation") or None,
                "size": [image.get("height"), image.get("width")],
            }
        )
    return objects


def _frame(file_name: str, file: Path, clips: Clips) -> tuple[str, dict] | None:
    """The clip of an image, and its "frame", counted from 0, or the "number" in its name.

    The number is None if the image has the name of the clip, as the only frame of a clip may.
    """
    path = Path(file_name.replace("\\", "/"))
    if not path.name:
        return None
    for folder in (file.parent, clips.root, file.parent / "images", file.parent.parent):
        if framed := clips.of_frame(folder / path):
            return framed[0], {"frame": framed[1]}
    if not path.is_absolute() and ".." not in path.parts:
        for folder in (file.parent, clips.root):
            if named := clips.of_frame_file(folder / path):
                return named[0], {"number": named[1]}
    named_after = clips.named_as(file)
    clip = named_after[0] if named_after else clips.only_beside(file)
    if clip and clips.is_name_of(clip, path):
        return clip, {"number": None}
    number = number_in(path)
    return (clip, {"number": number}) if clip and number is not None else None


def read(
    annotation: Annotation, clip: AnnotatedClip, classes: ClassList, notes: list[str]
) -> dict[int, np.ndarray]:
    """Frame -> mask, (H, W) uint8: 0 background, k + 1 for class k."""
    drawing = Drawing(clip, classes, source=annotation.content["source"])
    for entry in annotation.content["objects"]:
        frame = entry.get("frame")
        if frame is None:
            image = Path(drawing.source, entry["file_name"].replace("\\", "/"))
            frame = frame_of(image, entry["number"], clip)
        drawing.check_size(*entry["size"])
        if entry["shape"] is None:
            refuse_shape("box", source=drawing.source, frame=frame)
        shape = entry["shape"]
        if isinstance(shape, dict) and shape.get("size") != list(clip.size):
            raise UnusableVideo(
                f"{drawing.source} has run lengths for frames of {shape.get('size')}"
            )
        drawing.add_shape(frame, entry["label"], shape)
    return drawing.finished(notes)
