"""Boxes that prompt a video segmenter, checked before anything is computed."""

import json
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
    """The class: an index into the dataset's classes. A class is one object."""


class PromptError(ValueError):
    """A box that cannot be meant; the message says which, what was allowed, and what to do."""


def check_prompts(
    prompts: list[BoxPrompt], *, num_frames: int, size: tuple[int, int], classes: tuple[str, ...]
) -> None:
    """Refuse what cannot be meant.

    Args:
        prompts: at least one.
        num_frames: of the video.
        size: (H, W) of its frames.
        classes: names.

    Raises:
        PromptError: no box; a frame or class that does not exist; a box without an area or outside
            the frame; two boxes of one class on one frame.
    """
    if not prompts:
        raise PromptError("there is no box to start from: give --box, --boxes or a box head")
    height, width = size
    seen = set()
    for prompt in prompts:
        named = f"box {list(prompt.box)} on frame {prompt.frame}"
        if not 0 <= prompt.label < len(classes):
            raise PromptError(f"{named}: class {prompt.label} is 0 to {len(classes) - 1}")
        named = f"{named} ({classes[prompt.label]})"
        if not 0 <= prompt.frame < num_frames:
            raise PromptError(
                f"{named}: the video's frames are 0 to {num_frames - 1}, counted from 0"
            )
        x0, y0, x1, y1 = prompt.box
        if not (x0 < x1 and y0 < y1):
            raise PromptError(
                f"{named} has no area: x0 < x1 and y0 < y1, in pixels (x to the right, y down)"
            )
        if x0 >= width or y0 >= height or x1 <= 0 or y1 <= 0:
            raise PromptError(f"{named} lies outside the frame of {width} x {height} pixels")
        if (prompt.frame, prompt.label) in seen:
            raise PromptError(
                f"{named}: a second box of this class on this frame. A class is one object: give "
                "one box that holds all of it, or a class of its own to each"
            )
        seen.add((prompt.frame, prompt.label))


def parse_box(text: str, classes: tuple[str, ...]) -> BoxPrompt:
    """'frame,x0,y0,x1,y1,class', the class by name or number.

    Raises:
        PromptError: not of this form.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 6:
        raise PromptError(f"a box is frame,x0,y0,x1,y1,class, not {text!r}")
    try:
        frame, box = int(parts[0]), tuple(float(part) for part in parts[1:5])
    except ValueError as error:
        raise PromptError(f"{text!r}: {error}; a box is frame,x0,y0,x1,y1,class") from error
    return BoxPrompt(frame, box, _class_number(parts[5], classes))


def read_boxes(path: Path, classes: tuple[str, ...]) -> list[BoxPrompt]:
    """A JSON list of {"frame": 0, "box": [x0, y0, x1, y1], "class": "left_ventricle"}.

    Raises:
        FileNotFoundError: no such file.
        PromptError: not of this form.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [_read_entry(entry, classes) for entry in entries]
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise PromptError(
            f'{path} is no JSON list of {{"frame": 0, "box": [x0, y0, x1, y1], "class": NAME}}: '
            f"{error!r}"
        ) from error


def _read_entry(entry: dict, classes: tuple[str, ...]) -> BoxPrompt:
    frame, box = entry["frame"], entry["box"]
    if type(frame) is not int:
        raise PromptError(f"a frame is a whole number, not {frame!r}")
    if not (isinstance(box, list) and len(box) == 4 and {*map(type, box)} <= {int, float}):
        raise PromptError(f"a box is [x0, y0, x1, y1], four numbers, not {box!r}")
    return BoxPrompt(frame, tuple(map(float, box)), _class_number(str(entry["class"]), classes))


def _class_number(name: str, classes: tuple[str, ...]) -> int:
    if name in classes:
        return classes.index(name)
    if name.isdecimal() and int(name) < len(classes):
        return int(name)
    raise PromptError(
        f"no class {name!r}{did_you_mean(name, classes)}; there are: {', '.join(classes)}"
    )
