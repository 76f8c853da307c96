"""Box prompts of a video segmenter, and their validation."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from lgrseg.config import did_you_mean


@dataclass(frozen=True)
class BoxPrompt:
    """One object's box on one frame."""

    frame: int
    box: tuple[float, float, float, float]
    """(x0, y0, x1, y1) in pixels of the original frame; x1 and y1 exclusive."""
    label: int
    """The class: an index into the dataset's classes. Each class has one object."""


class PromptError(ValueError):
    """An invalid box prompt. The message has the box, the allowed values and the remedy."""


def check_prompts(
    prompts: list[BoxPrompt], *, num_frames: int, size: tuple[int, int], classes: tuple[str, ...]
) -> None:
    """Raise an error for the first invalid prompt.

    Args:
        prompts: box prompts, at least one.
        num_frames: number of frames of the video.
        size: (H, W) of the frames in pixels.
        classes: names of the classes.

    Raises:
        PromptError: no box; a frame or class that does not exist; a box without an area, outside
            the frame, or with a number that is not finite; two boxes of one class on one frame.
    """
    if not prompts:
        raise PromptError(
            "there is no box prompt: give --box or --boxes, or a model with a box head"
        )
    height, width = size
    prompted = set()
    for prompt in prompts:
        what = f"box {list(prompt.box)} on frame {prompt.frame}"
        if not 0 <= prompt.label < len(classes):
            raise PromptError(
                f"{what}: class {prompt.label} does not exist; classes are 0 to {len(classes) - 1}"
            )
        what = f"{what} ({classes[prompt.label]})"
        if not 0 <= prompt.frame < num_frames:
            raise PromptError(
                f"{what}: the video's frames are 0 to {num_frames - 1}, counted from 0"
            )
        if not all(map(math.isfinite, prompt.box)):
            raise PromptError(f"{what}: x0, y0, x1 and y1 are numbers of pixels")
        x0, y0, x1, y1 = prompt.box
        if not (x0 < x1 and y0 < y1):
            raise PromptError(
                f"{what} has no area: x0 < x1 and y0 < y1 is needed (x to the right, y down)"
            )
        if x0 >= width or y0 >= height or x1 <= 0 or y1 <= 0:
            raise PromptError(f"{what} lies outside the frame of {width} x {height} pixels")
        if (prompt.frame, prompt.label) in prompted:
            raise PromptError(
                f"{what}: a second box of this class on this frame. A class is one object: give "
                "one box around the whole object, or a separate class to each object"
            )
        prompted.add((prompt.frame, prompt.label))


def parse_box(text: str, classes: tuple[str, ...]) -> BoxPrompt:
    """Parse 'frame,x0,y0,x1,y1,class'; the class is a name or a number.

    Raises:
        PromptError: the input does not have this form.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 6:
        raise PromptError(f"a box is frame,x0,y0,x1,y1,class, not {text!r}")
    try:
        frame = int(parts[0])
        x0, y0, x1, y1 = (float(part) for part in parts[1:5])
    except ValueError as error:
        raise PromptError(f"{text!r}: {error}; a box is frame,x0,y0,x1,y1,class") from error
    return BoxPrompt(frame, (x0, y0, x1, y1), _class_number(parts[5], classes))


def read_boxes(path: Path, classes: tuple[str, ...]) -> list[BoxPrompt]:
    """Read a JSON list of {"frame": 0, "box": [x0, y0, x1, y1], "class": "left_ventricle"}.

    Raises:
        FileNotFoundError: the file does not exist.
        PromptError: the input does not have this form.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [_read_entry(entry, classes) for entry in entries]
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise PromptError(
            f'{path} is not a JSON list of {{"frame": 0, "box": [x0, y0, x1, y1], "class": NAME}}: '
            f"{error!r}"
        ) from error


def _read_entry(entry: dict, classes: tuple[str, ...]) -> BoxPrompt:
    frame, box = entry["frame"], entry["box"]
    if type(frame) is not int:
        raise PromptError(f"a frame is a whole number, not {frame!r}")
    if not (isinstance(box, list) and len(box) == 4 and {*map(type, box)} <= {int, float}):
        raise PromptError(f"a box is [x0, y0, x1, y1], four numbers, not {box!r}")
    x0, y0, x1, y1 = map(float, box)
    return BoxPrompt(frame, (x0, y0, x1, y1), _class_number(str(entry["class"]), classes))


def _class_number(name: str, classes: tuple[str, ...]) -> int:
    if name in classes:
        return classes.index(name)
    if name.isdecimal() and int(name) < len(classes):
        return int(name)
    raise PromptError(
        f"no class {name!r}{did_you_mean(name, classes)}; there are: {', '.join(classes)}"
    )
