"""Opens every file of a raw download without preparing it, and reports what it contains."""

import json
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np

from lgrseg.data.prepare.label_check import label_values, odd_labels
from lgrseg.data.prepare.leaks import absent_classes, copies, leaks
from lgrseg.data.prepare.parallel import KILLED, in_parallel
from lgrseg.data.prepare.pipeline import reason_of, refuse_unfit
from lgrseg.data.prepare.report import shortened
from lgrseg.data.raw_video import LoadedVideo, RawVideo, hash_pictures


def check(
    videos: list[RawVideo],
    problems: dict[str, str],
    classes: tuple[str, ...],
    *,
    num_workers: int = 1,
) -> dict:
    """Open every video and mask.

    Args:
        videos: raw videos from the dataset's `find_videos`.
        problems: problems from the dataset's `find_videos`.
        classes: class names; value k + 1 in a mask is class k.
        num_workers: number of processes.

    Returns:
        "videos", "annotated_frames"; "sites", "views", "splits", "shapes", "spacings"
        (number of videos of each, "not stated" included); "classes" (number of frames
        that show each class);
        "suspicious" and "unusable" (name -> reasons); "leaks" (a patient, or a file of the same
        content, in several splits); "warnings" (copies in one split, classes that never occur).
    """
    from tqdm import tqdm

    keys = ("sites", "views", "splits", "shapes", "spacings")
    counts: dict[str, Counter[str]] = {key: Counter() for key in keys}
    num_videos = num_annotated = 0
    num_showing = dict.fromkeys(classes, 0)
    unusable = dict(problems)
    suspicious: dict[str, list[str]] = {}
    pictures: dict[tuple[str, ...], list[RawVideo]] = {}
    shown: list[tuple[str | None, list[int]]] = []
    bar = tqdm(total=len(videos), desc="checking", unit="video")
    for video, facts in in_parallel(partial(_examine, classes=classes), videos, num_workers):
        bar.update()
        facts = facts or KILLED
        if isinstance(facts, str):
            unusable[video.video_id] = facts
            continue
        num_videos += 1
        num_annotated += facts["annotated_frames"]
        for name in classes:
            num_showing[name] += facts["classes"][name]
        values = (video.site, video.view, video.split, facts["shape"], facts["spacing"])
        for counter, value in zip(counts.values(), values, strict=True):
            counter["not stated" if value is None else str(value)] += 1
        if facts["suspicious"]:
            suspicious[video.video_id] = facts["suspicious"]
        if facts["pictures"]:  # simulated videos have no files
            pictures.setdefault(facts["pictures"], []).append(video)
        if facts["values"] is not None:
            shown.append((video.split, facts["values"]))
    bar.close()
    found = {"videos": num_videos, "annotated_frames": num_annotated, "classes": num_showing}
    sorted_counts = {key: dict(sorted(counter.items())) for key, counter in counts.items()}
    return (
        found
        | sorted_counts
        | {
            "suspicious": suspicious,
            "unusable": unusable,
            "leaks": leaks(videos, pictures),
            "warnings": copies(pictures) + absent_classes(shown, classes),
        }
    )


def _examine(video: RawVideo, classes: tuple[str, ...]) -> dict | str:
    try:
        loaded = video.load(video)
        refuse_unfit(loaded, classes)
        shape, spacing = loaded.frames.shape, loaded.spacing_mm
        return {
            "annotated_frames": len(loaded.masks or {}),
            "classes": {
                name: sum(bool((mask == k + 1).any()) for mask in (loaded.masks or {}).values())
                for k, name in enumerate(classes)
            },
            "values": None if loaded.masks is None else label_values(loaded.masks),
            "shape": " x ".join(map(str, shape[1:3])) + (" colour" if len(shape) == 4 else ""),
            "spacing": spacing and tuple(round(float(step), 3) for step in spacing),
            "suspicious": [*loaded.notes, *odd_labels(loaded.masks, classes, _fan(video, loaded))],
            "pictures": hash_pictures(video),
        }
    except Exception as error:
        return reason_of(error)


def _fan(video: RawVideo, loaded: LoadedVideo) -> np.ndarray | None:
    """(H, W) bool: the part of the picture that is kept; None if nothing is cut away."""
    if not (video.crop_to_fan and loaded.masks):
        return None
    from lgrseg.data.prepare.fan_crop import find_fan

    top, left, bottom, right = find_fan(loaded.frames).box
    inside = np.zeros(loaded.frames.shape[1:3], bool)
    inside[top:bottom, left:right] = True
    return inside


def write_check(found: dict, file: Path) -> None:
    """Write the result of `check` as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1), encoding="utf-8")


def print_check(found: dict) -> None:
    """Print the result of `check` as tables."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    table = Table("", "", title=f"{found['videos']} videos, {found['annotated_frames']} masks")
    for key in ("sites", "views", "splits", "classes", "shapes", "spacings"):
        rows = found[key].items()
        table.add_row(key, ", ".join(f"{escape(name)}: {count}" for name, count in rows))
    console.print(table)
    odd = Table("video or file", "what", title="Worth looking at", title_justify="left")
    for name, reason in sorted(found["unusable"].items()):
        odd.add_row(escape(name), f"[red]cannot be used[/red]: {escape(reason)}")
    for name, reasons in sorted(found["suspicious"].items()):
        odd.add_row(escape(name), escape(shortened(reasons)))
    for warning in found["warnings"]:
        odd.add_row("whole dataset", escape(warning))
    for leak in found["leaks"]:
        odd.add_row("[red]leak[/red]", escape(leak))
    if odd.row_count:
        console.print(odd)
