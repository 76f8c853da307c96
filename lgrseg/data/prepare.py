"""From a raw download to the store: in parallel, restartable, with a report of all that was odd.

A dataset module gives a list of `RawVideo`s and of problems found while listing; everything else is
here. A file that cannot be used is in the report with the reason, and the others go on.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from lgrseg.data.io import UnreadableFile
from lgrseg.data.parallel import KILLED, in_parallel
from lgrseg.data.store import read_record, write_video

VERSION = 1
"""Raised when what is written changes, so that videos of an earlier version are done again."""


class UnusableVideo(ValueError):
    """A raw file that cannot be used; the message says why, to a reader who has the file."""


@dataclass
class LoadedVideo:
    """One raw video, read."""

    frames: np.ndarray
    """(T, H, W) or (T, H, W, 3) uint8, whole."""
    masks: dict[int, np.ndarray] | None
    """Frame index -> (H, W) uint8 in the dataset's class order; None without a mask file."""
    spacing_mm: tuple[float, float] | None = None
    fps: float | None = None
    notes: list[str] = field(default_factory=list)
    """What a user should know of this video: filled outlines, dropped labels."""
    extra: dict = field(default_factory=dict)
    """Further facts for meta.json."""


@dataclass
class RawVideo:
    """One raw video, found and named, not yet read. It travels to worker processes."""

    video_id: str
    sources: list[Path]
    patient: str
    """A key that is unique over the whole dataset: splits never part a patient."""
    load: Callable[["RawVideo"], LoadedVideo]
    site: str | None = None
    view: str | None = None
    crop_to_fan: bool = False
    facts: dict = field(default_factory=dict)
    """What `load` needs to know besides, and what goes into meta.json."""


@dataclass
class Report:
    """What came of a preparation."""

    prepared: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    unusable: dict[str, str] = field(default_factory=dict)
    """File or video -> reason."""
    notes: dict[str, list[str]] = field(default_factory=dict)

    @property
    def num_usable(self) -> int:
        """Videos in the store now."""
        return len(self.prepared) + len(self.kept)

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each kind; `with_notes` are among prepared and kept."""
        return {
            "prepared": len(self.prepared),
            "kept": len(self.kept),
            "unusable": len(self.unusable),
            "with_notes": len(self.notes),
        }


def prepare(
    videos: list[RawVideo], problems: dict[str, str], out: Path, *, num_workers: int = 1
) -> Report:
    """Write every video to the store below `out`, and `prepare_report.json` beside them.

    A video whose sources have the hashes that its prepared form names is left as it is. Whatever
    goes wrong with one video, the others go on; what is finished survives an interruption.
    """
    from tqdm import tqdm

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    report = Report(unusable=dict(problems))
    videos = _without_repeats(videos, report)
    bar = tqdm(total=len(videos), desc=f"preparing {out.name}", unit="video")
    with bar:
        for video, outcome in in_parallel(partial(_attempt, out=out), videos, num_workers):
            fresh, notes, reason = outcome or (False, [], KILLED)
            if reason is not None:
                report.unusable[video.video_id] = f"{_names(video)}: {reason}"
            else:
                (report.prepared if fresh else report.kept).append(video.video_id)
                if notes:
                    report.notes[video.video_id] = notes
            bar.update()
    report.prepared.sort()
    report.kept.sort()
    text = json.dumps({"counts": report.counts} | vars(report), indent=1, sort_keys=True)
    (out / "prepare_report.json").write_text(text, encoding="utf-8")
    return report


def _without_repeats(videos: list[RawVideo], report: Report) -> list[RawVideo]:
    """The first video of every name: two would overwrite each other."""
    first = {}
    for video in videos:
        other = first.setdefault(video.video_id, video)
        if other is not video:
            report.unusable[_names(video)] = (
                f"has the same name as {_names(other)}, which is used: {video.video_id}"
            )
    return list(first.values())


_Outcome = tuple[bool, list[str], str | None]
"""Whether it was written, notes, and why it cannot be used (None: it can)."""


def _attempt(video: RawVideo, out: Path) -> _Outcome:
    """Prepare one video in a worker.

    Every error becomes a sentence here: a damaged header can raise anything in a reading library,
    and not every error travels between processes.
    """
    try:
        return *prepare_video(video, out), None
    except Exception as error:
        reason = reason_of(error)
    if (out / video.video_id / "meta.json").is_file():
        reason += (
            f"; the form prepared earlier from other files is still there: delete "
            f"{out / video.video_id} to leave the video out"
        )
    return False, [], reason


def reason_of(error: Exception) -> str:
    """An error as a sentence; the kind goes before it where it was not made for users."""
    expected = isinstance(error, (UnusableVideo, UnreadableFile, OSError))
    return str(error) if expected else f"{type(error).__name__}: {error}"


def prepare_video(video: RawVideo, out: Path) -> tuple[bool, list[str]]:
    """Prepare one video: (whether it was written, notes)."""
    sources = [{"name": path.name, "sha256": file_hash(path)} for path in video.sources]
    before = _prepared_before(out / video.video_id)
    if before.get("version") == VERSION and before["sources"] == sources:
        return False, before["notes"]
    loaded = video.load(video)
    _check(loaded)
    box, notes = _crop_box(video, loaded)
    top, left, bottom, right = box
    meta = {
        "version": VERSION,
        "video_id": video.video_id,
        "original_size": list(loaded.frames.shape[1:3]),
        "crop_box": list(box),
        "spacing_mm": list(loaded.spacing_mm) if loaded.spacing_mm else None,
        "fps": loaded.fps,
        "site": video.site,
        "patient": video.patient,
        "view": video.view,
        "has_labels": loaded.masks is not None,
        "sources": sources,
        "notes": loaded.notes + notes,
    }
    meta |= video.facts | loaded.extra
    write_video(out, loaded.frames[:, top:bottom, left:right], loaded.masks, meta)
    return True, meta["notes"]


def _prepared_before(folder: Path) -> dict:
    """The record of an earlier run; empty where there is none that can be read."""
    try:
        return read_record(folder)
    except (FileNotFoundError, ValueError):  # not there, or cut short by a power failure
        return {}


def _check(loaded: LoadedVideo) -> None:
    if not loaded.frames.size:
        raise UnusableVideo(f"there are no frames: (T, H, W) = {loaded.frames.shape}")
    size = loaded.frames.shape[1:3]
    if loaded.frames.dtype != np.uint8:
        raise UnusableVideo(f"frames must be 8 bit (0 to 255), not {loaded.frames.dtype}")
    for index, mask in (loaded.masks or {}).items():
        if mask.shape != size:
            raise UnusableVideo(f"the mask of frame {index} is {mask.shape}, the frames are {size}")


def _crop_box(video: RawVideo, loaded: LoadedVideo) -> tuple[tuple[int, ...], list[str]]:
    height, width = loaded.frames.shape[1:3]
    if not video.crop_to_fan:
        return (0, 0, height, width), []
    from lgrseg.data.fan_crop import find_fan

    fan = find_fan(loaded.frames)
    notes = [] if fan.found else [f"no fan found, not cropped: {fan.reason}"]
    top, left, bottom, right = fan.box
    outside = 0
    for mask in (loaded.masks or {}).values():
        inside = np.count_nonzero(mask[top:bottom, left:right])
        outside += np.count_nonzero(mask) - inside
    if outside:
        notes.append(f"{outside} annotated pixels lie outside the fan {tuple(fan.box)}")
    return tuple(int(edge) for edge in fan.box), notes


def _names(video: RawVideo) -> str:
    return ", ".join(path.name for path in video.sources)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def print_report(report: Report) -> None:
    """The report as a person reads it."""
    from rich.console import Console
    from rich.markup import escape  # names and messages may hold brackets
    from rich.table import Table

    console = Console()
    table = Table("video or file", "what", title="Worth knowing", title_justify="left")
    for name, reason in sorted(report.unusable.items()):
        table.add_row(escape(name), f"[red]not used[/red]: {escape(reason)}")
    for name, notes in sorted(report.notes.items()):
        table.add_row(escape(name), escape("; ".join(notes)))
    if table.row_count:
        console.print(table)
    console.print(
        f"{len(report.prepared)} videos prepared, {len(report.kept)} were up to date, "
        f"{len(report.unusable)} files could not be used"
    )
