"""Opening every file of a raw download, without preparing it: what there is, and what is odd."""

import json
from collections import Counter
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from scipy.ndimage import binary_fill_holes

from lgrseg.data.parallel import KILLED, in_parallel
from lgrseg.data.prepare import LoadedVideo, RawVideo, file_hash, reason_of

TINY = 0.02
"""A part of a structure below this share of its area is named."""


def check(
    videos: list[RawVideo],
    problems: dict[str, str],
    classes: tuple[str, ...],
    *,
    num_workers: int = 1,
) -> dict:
    """Open every video and mask.

    Args:
        videos: of a dataset's `find_videos`.
        problems: likewise.
        classes: names; value k + 1 in a mask is class k.
        num_workers: processes.

    Returns:
        "videos", "annotated_frames"; "sites", "views", "splits", "shapes", "spacings" (how many
        videos of each; None where a file does not say) and "classes" (frames that show it);
        "suspicious" and "unusable" (name -> reasons); "leaks" (a patient, or a file of the same
        content, in several splits).
    """
    from tqdm import tqdm

    counts = {key: Counter() for key in ("sites", "views", "splits", "shapes", "spacings")}
    found = {"videos": 0, "annotated_frames": 0, "classes": dict.fromkeys(classes, 0)}
    suspicious, unusable, hashes = {}, dict(problems), {}
    bar = tqdm(total=len(videos), desc="checking", unit="video")
    for video, facts in in_parallel(partial(_examine, classes=classes), videos, num_workers):
        bar.update()
        facts = facts or KILLED
        if isinstance(facts, str):
            unusable[video.video_id] = facts
            continue
        found["videos"] += 1
        found["annotated_frames"] += facts["annotated_frames"]
        for name in classes:
            found["classes"][name] += facts["classes"][name]
        split = video.facts.get("split")
        values = (video.site, video.view, split, facts["shape"], facts["spacing"])
        for counter, value in zip(counts.values(), values, strict=True):
            counter[str(value)] += 1
        if facts["suspicious"]:
            suspicious[video.video_id] = facts["suspicious"]
        hashes.setdefault(facts["hash"], []).append(video)
    bar.close()
    found |= {key: dict(sorted(counter.items())) for key, counter in counts.items()}
    leaks = _leaks(videos, hashes)
    return found | {"suspicious": suspicious, "unusable": unusable, "leaks": leaks}


def _leaks(videos: list[RawVideo], hashes: dict[str, list[RawVideo]]) -> list[str]:
    by_patient: dict[str, set] = {}
    for video in videos:
        by_patient.setdefault(video.patient, set()).add(video.facts.get("split"))
    told = [
        f"patient {patient} is in {', '.join(sorted(map(str, splits)))}"
        for patient, splits in sorted(by_patient.items())
        if len(splits) > 1 or " and " in str(splits)
    ]
    for same in hashes.values():
        where = {(video.patient, video.facts.get("split")) for video in same}
        if len(where) > 1:
            names = ", ".join(sorted(video.video_id for video in same))
            told.append(f"the same file under several names: {names}")
    return sorted(told)


def _examine(video: RawVideo, classes: tuple[str, ...]) -> dict | str:
    try:
        loaded = video.load(video)
        shape, spacing = loaded.frames.shape, loaded.spacing_mm
        return {
            "annotated_frames": len(loaded.masks or {}),
            "classes": {
                name: sum(bool((mask == k + 1).any()) for mask in (loaded.masks or {}).values())
                for k, name in enumerate(classes)
            },
            "shape": " x ".join(map(str, shape[1:3])) + (" colour" if len(shape) == 4 else ""),
            "spacing": spacing and tuple(round(float(step), 3) for step in spacing),
            "suspicious": [*loaded.notes, *_suspicious(video, loaded, classes)],
            "hash": file_hash(video.sources[0]),
        }
    except Exception as error:
        return reason_of(error)


def _suspicious(video: RawVideo, loaded: LoadedVideo, classes: tuple[str, ...]) -> list[str]:
    told = []
    inside = None
    if video.crop_to_fan and loaded.masks:
        from lgrseg.data.fan_crop import find_fan

        top, left, bottom, right = find_fan(loaded.frames).box
        inside = np.zeros(loaded.frames.shape[1:3], bool)
        inside[top:bottom, left:right] = True
    for frame, labels in sorted((loaded.masks or {}).items()):
        if not labels.any():
            told.append(f"frame {frame}: the mask is empty")
        if inside is not None and (outside := np.count_nonzero(labels[~inside])):
            told.append(f"frame {frame}: {outside} annotated pixels lie outside the fan")
        for k, name in enumerate(classes):
            told += [f"frame {frame}, {name}: {what}" for what in _odd_shape(labels == k + 1)]
    return told


def _odd_shape(mask: np.ndarray) -> list[str]:
    if not mask.any():
        return []
    told = []
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = np.sort(stats[1:, cv2.CC_STAT_AREA])
    tiny = areas[areas < TINY * areas.sum()]
    if len(tiny):
        told.append(f"{len(tiny)} tiny parts, of {tiny.sum()} pixels")
    if count - 1 - len(tiny) > 1:
        told.append(f"{count - 1 - len(tiny)} separate parts")
    if binary_fill_holes(mask).sum() > 2 * mask.sum():
        told.append("an outline, not filled")
    return told


def write_check(found: dict, file: Path) -> None:
    """As JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1), encoding="utf-8")


def print_check(found: dict) -> None:
    """As a person reads it."""
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
        odd.add_row(escape(name), escape("; ".join(reasons)))
    for leak in found["leaks"]:
        odd.add_row("[red]leak[/red]", escape(leak))
    if odd.row_count:
        console.print(odd)
