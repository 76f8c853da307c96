"""Prepares a raw download: in parallel, restartable, with a report of everything unusual.

A dataset module lists the `RawVideo`s, and the problems that it found while listing. A file that
cannot be used is reported with the reason, and all others are prepared.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lgrseg.data.io import UnreadableFile
from lgrseg.data.prepare.label_check import (
    label_values,
    odd_labels,
    refuse_unknown_values,
    refuse_wrong_labels,
)
from lgrseg.data.prepare.leaks import absent_classes, copies, leaks
from lgrseg.data.prepare.leftovers import meta_before, remove_moved
from lgrseg.data.prepare.parallel import KILLED, in_parallel
from lgrseg.data.prepare.report import Report, print_report
from lgrseg.data.raw_video import LoadedVideo, RawVideo, UnusableVideo, file_hash, hash_pictures
from lgrseg.data.store import remove_video, write_video

__all__ = [
    "LoadedVideo", "RawVideo", "Report", "UnusableVideo", "prepare",
    "prepare_video", "print_report", "reason_of", "refuse_unfit",
]  # fmt: skip

VERSION = 2
"""Increased when the stored form changes; videos of an earlier version are prepared again."""


@dataclass
class Prepared:
    """Result of one video."""

    is_new: bool
    """True if it was written now, false if it was up to date."""
    notes: list[str]
    pictures: tuple[str, ...]
    """Hashes of the files with its pictures."""
    values: list[int] | None
    """Values (class + 1) that occur in its labels; None without labels."""


def prepare(
    videos: list[RawVideo],
    problems: dict[str, str],
    out: Path,
    *,
    classes: tuple[str, ...] = (),
    num_workers: int = 1,
    draw_splits: Callable[[set[str]], dict[str, str]] | None = None,
) -> Report:
    """Write every video to the store below `out`, and `prepare_report.json` beside them.

    A video is not prepared again if its sources have the same hashes as before, and the same facts
    are listed. An error in one video does not stop the others, and finished videos survive an
    interruption. A video with another name now, because of another split for example, is removed
    from its old place in the store.

    Args:
        videos: raw videos from the dataset's `find_videos`.
        problems: problems from the dataset's `find_videos`.
        out: folder of the prepared dataset.
        classes: class names; value k + 1 in a mask is class k. Empty: values are not checked.
        num_workers: number of processes.
        draw_splits: function that takes the video_ids that are in the store, and returns their
            splits; None for the splits that are listed.

    Raises:
        ValueError: the splits cannot be drawn; the videos are prepared.
    """
    from tqdm import tqdm

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    report = Report(unusable=dict(problems))
    videos = _without_repeats(videos, report)
    done: list[tuple[RawVideo, Prepared]] = []
    bar = tqdm(total=len(videos), desc=f"preparing {out.name}", unit="video")
    task = partial(_attempt, out=out, classes=tuple(classes))
    with bar:
        for video, outcome in in_parallel(task, videos, num_workers):
            outcome = outcome or KILLED
            if isinstance(outcome, str):
                report.unusable[video.video_id] = f"{video.source_names}: {outcome}"
            else:
                (report.prepared if outcome.is_new else report.kept).append(video.video_id)
                if outcome.notes:
                    report.notes[video.video_id] = outcome.notes
                done.append((video, outcome))
            bar.update()
    if draw_splits is not None:
        stored = {v.video_id for v in videos if (out / v.video_id / "meta.json").is_file()}
        drawn = draw_splits(stored)
        videos = [replace(v, split=drawn[v.video_id]) for v in videos]
        done = [(replace(v, split=drawn[v.video_id]), outcome) for v, outcome in done]
    report.prepared.sort()
    report.kept.sort()
    _compare_videos(done, classes, report)
    listed = {video.video_id for video in videos}
    report.removed, report.left_over = remove_moved(out, listed, _names_of_pictures(videos, done))
    report.write(out / "prepare_report.json")
    return report


def _without_repeats(videos: list[RawVideo], report: Report) -> list[RawVideo]:
    """The first video of every name, because two would overwrite each other."""
    first: dict[str, RawVideo] = {}
    for video in videos:
        other = first.setdefault(video.video_id, video)
        if other is not video:
            report.unusable[video.source_names] = (
                f"has the same name as {other.source_names}, which is used: {video.video_id}"
            )
    return list(first.values())


def _compare_videos(
    done: list[tuple[RawVideo, Prepared]], classes: tuple[str, ...], report: Report
) -> None:
    """Report problems between videos: leaks, copies, and classes without a pixel."""
    pictures: dict[tuple[str, ...], list[RawVideo]] = {}
    for video, outcome in done:
        if outcome.pictures:
            pictures.setdefault(outcome.pictures, []).append(video)
    report.leaks = leaks([video for video, _ in done], pictures)
    shown = [(v.split, outcome.values) for v, outcome in done if outcome.values is not None]
    report.warnings = copies(pictures) + absent_classes(shown, classes)


def _names_of_pictures(
    videos: list[RawVideo], done: list[tuple[RawVideo, Prepared]]
) -> dict[tuple[str, ...], str]:
    """Hashes of pictures -> video_id, for all listed videos, usable or not."""
    names = {outcome.pictures: video.video_id for video, outcome in done}
    usable = {video.video_id for video, _ in done}
    for video in videos:
        if video.video_id not in usable:
            try:
                names.setdefault(hash_pictures(video), video.video_id)
            except OSError:  # unreadable, so its hashes are not known
                continue
    names.pop((), None)
    return names


def _attempt(video: RawVideo, out: Path, classes: tuple[str, ...]) -> Prepared | str:
    """Prepare one video in a worker process; the result is the reason if it cannot be used.

    Every error becomes a sentence here, because libraries raise errors of all kinds for a damaged
    header, and some errors cannot be sent between processes.
    """
    folder = out / video.video_id
    try:
        return prepare_video(video, out, classes)
    except UnusableVideo as error:  # readable, so what was prepared before is wrong
        reason = str(error)
        if (folder / "meta.json").is_file():
            remove_video(folder)
            reason += "; the video prepared earlier was removed from the store"
    except Exception as error:
        reason = reason_of(error)
        if (folder / "meta.json").is_file():
            reason += (
                "; the video prepared earlier from other files stays in the store: delete "
                f"{folder} to leave it out"
            )
    return reason


def reason_of(error: Exception) -> str:
    """An error as a sentence; begins with its type if it was not written for users."""
    expected = isinstance(error, (UnusableVideo, UnreadableFile, OSError))
    return str(error) if expected else f"{type(error).__name__}: {error}"


def prepare_video(video: RawVideo, out: Path, classes: tuple[str, ...] = ()) -> Prepared:
    """Prepare one video, unless it is up to date."""
    sources = [{"name": path.name, "sha256": file_hash(path)} for path in video.sources]
    pictures = tuple(source["sha256"] for source in sources[: video.num_pictures])
    listed = {"version": VERSION, "sources": sources, "facts_sha256": video.facts_hash()}
    before = meta_before(out / video.video_id)
    if listed.items() <= before.items():
        refuse_unknown_values(before["label_values"] or [], classes)
        return Prepared(False, before["notes"], pictures, before["label_values"])
    loaded = video.load(video)
    refuse_unfit(loaded, classes)
    box, notes = _crop_box(video, loaded)
    top, left, bottom, right = box
    inside = np.zeros(loaded.frames.shape[1:3], bool)
    inside[top:bottom, left:right] = True
    notes = loaded.notes + notes + odd_labels(loaded.masks, classes, inside)
    values = _shown(video, loaded)
    meta: dict[str, Any] = {
        "video_id": video.video_id,
        "original_size": list(loaded.frames.shape[1:3]),
        "crop_box": list(box),
        "spacing_mm": _sound_spacing(loaded, notes),
        "fps": _sound_rate(loaded, notes),
        "site": video.site,
        "patient": video.patient,
        "view": video.view,
        "has_labels": loaded.masks is not None,
        "label_values": values,
        "notes": notes,
    }
    meta |= listed | video.facts | loaded.extra
    write_video(out, loaded.frames[:, top:bottom, left:right], loaded.masks, meta)
    return Prepared(True, notes, pictures, values)


def refuse_unfit(loaded: LoadedVideo, classes: tuple[str, ...]) -> None:
    """Raise UnusableVideo for frames or masks that training could not use."""
    if not loaded.frames.size:
        raise UnusableVideo(f"there are no frames: (T, H, W) = {loaded.frames.shape}")
    if loaded.frames.dtype != np.uint8:
        raise UnusableVideo(f"frames must be 8 bit (0 to 255), not {loaded.frames.dtype}")
    refuse_wrong_labels(loaded, classes)


def _shown(video: RawVideo, loaded: LoadedVideo) -> list[int] | None:
    if loaded.masks is None:
        return [video.facts["label"] + 1] if "label" in video.facts else None
    return label_values(loaded.masks)


def _sound_spacing(loaded: LoadedVideo, notes: list[str]) -> list[float] | None:
    """Spacing in mm; None, with a note, if it makes no sense."""
    if not loaded.spacing_mm:
        return None
    spacing = [float(step) for step in loaded.spacing_mm]
    if all(np.isfinite(step) and step > 0 for step in spacing):
        return spacing
    notes.append(f"a spacing of {spacing} mm makes no sense: taken as unknown")
    return None


def _sound_rate(loaded: LoadedVideo, notes: list[str]) -> float | None:
    """Frames per second; None, with a note, if they make no sense."""
    if loaded.fps is None or (np.isfinite(loaded.fps) and loaded.fps > 0):
        return loaded.fps
    notes.append(f"a rate of {loaded.fps} frames per second makes no sense: taken as unknown")
    return None


def _crop_box(video: RawVideo, loaded: LoadedVideo) -> tuple[tuple[int, int, int, int], list[str]]:
    height, width = loaded.frames.shape[1:3]
    if not video.crop_to_fan:
        return (0, 0, height, width), []
    from lgrseg.data.prepare.fan_crop import find_fan

    fan = find_fan(loaded.frames)
    notes = [] if fan.found else [f"no fan found, not cropped: {fan.reason}"]
    return fan.box, notes
