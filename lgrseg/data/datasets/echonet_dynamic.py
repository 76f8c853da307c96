"""EchoNet-Dynamic: 10,030 apical four-chamber videos with two traced frames and volumes each.

Source: Ouyang et al., "Video-based AI for beat-to-beat assessment of cardiac function", Nature
2020. Stanford's research use agreement; ask at https://echonet.github.io/dynamic.

Raw layout:

    FileList.csv          FileName, EF (%), ESV, EDV (ml), ..., Split (TRAIN, VAL, TEST)
    VolumeTracings.csv    FileName, X1, Y1, X2, Y2, Frame: pairs of points across the long axis,
                          the first pair of a frame is the axis itself
                      or  FileName, X, Y, Frame: the outline, point by point
    Videos/<FileName>.avi 112 x 112

The larger traced area is end-diastole, the smaller end-systole. Videos have no spacing, so volumes
come from the list, and distances are in pixels.
"""

import csv
import functools
import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lgrseg.data.catalog import DatasetCatalog, Metadata, MetadataCatalog
from lgrseg.data.io import read_video
from lgrseg.data.io.outlines import filled_polygon
from lgrseg.data.raw_video import LoadedVideo, RawVideo, UnusableVideo
from lgrseg.data.record import VideoRecord
from lgrseg.data.splits import records_of

HOW_TO_GET = (
    "Get EchoNet-Dynamic (free after registration) from https://echonet.github.io/dynamic, unpack "
    "it so that RAW holds FileList.csv, VolumeTracings.csv and Videos/, and run: python "
    "tools/prepare_dataset.py echonet_dynamic --raw RAW --out datasets/echonet_dynamic (or a "
    "folder echonet_dynamic below LGRSEG_DATASETS)."
)
METADATA = Metadata(("left_ventricle",), ((230, 75, 53),), source=HOW_TO_GET)
SPLITS = ("train", "val", "test")


def find_videos(raw: Path) -> tuple[list[RawVideo], dict[str, str]]:
    """List all videos of FileList.csv, and mismatches between the lists and the folder.

    Raises:
        FileNotFoundError: a list is missing.
        ValueError: a list lacks a column, or is not a CSV table.
    """
    listed = _read_csv(raw / "FileList.csv", {"FileName", "EF", "ESV", "EDV", "Split"})
    tracings, problems = _read_tracings(raw / "VolumeTracings.csv")
    videos, names = [], set()
    for line, row in listed:
        name = _stem(row["FileName"])
        if not name:
            problems[f"FileList.csv, line {line}"] = "has no FileName"
            continue
        names.add(name)
        file = raw / "Videos" / f"{name}.avi"
        if not file.is_file():
            problems[f"FileList.csv: {name}"] = f"there is no Videos/{name}.avi"
            continue
        split = (row["Split"] or "").strip().lower()
        if split not in SPLITS:
            problems[f"FileList.csv: {name}"] = f"its Split is {row['Split']!r}, not of {SPLITS}"
            continue
        notes: list[str] = []
        facts = {
            "split": split,
            "reference_ejection_fraction": _reference(row, "EF", line, notes, most=100),
            "reference_edv_ml": _reference(row, "EDV", line, notes),
            "reference_esv_ml": _reference(row, "ESV", line, notes),
        }
        labels = tracings.get(name, Tracings())
        labels.notes = notes + labels.notes
        videos.append(
            RawVideo(
                video_id=name,
                sources=[file],
                patient=name,
                load=_load,
                view="A4C",
                facts=facts,
                labels=vars(labels),
            )
        )
    for name in sorted(set(tracings) - names):
        problems[f"VolumeTracings.csv: {name}"] = "is not in FileList.csv"
    for file in sorted((raw / "Videos").glob("*")):
        if file.stem not in names and not file.name.startswith("."):
            problems[f"Videos/{file.name}"] = "is not in FileList.csv"
    return videos, problems


def _load(video: RawVideo) -> LoadedVideo:
    (file,) = video.sources
    read = read_video(file)
    frames = np.asarray(read.frames)
    frames = frames[..., 0] if frames.ndim == 4 else frames
    masks, notes, areas = {}, [*read.notes, *video.labels["notes"]], {}
    for frame, points in video.labels["outlines"].items():
        if frame >= len(frames):
            raise UnusableVideo(
                f"VolumeTracings.csv traces frame {frame}, but the video has {len(frames)}"
            )
        if fault := _fault(points, frames.shape[1:3]):
            notes.append(f"the tracing of frame {frame} {fault}: left out")
            continue
        masks[frame] = filled_polygon(points, frames.shape[1:3])
        areas[frame] = int(masks[frame].sum())
    if video.labels["num_lines"] and not masks:
        raise UnusableVideo(f"none of its tracings can be used: {'; '.join(notes)}")
    extra = {}
    if len(areas) >= 2:
        area_of = areas.__getitem__
        extra = {"ed_frame": max(areas, key=area_of), "es_frame": min(areas, key=area_of)}
    return LoadedVideo(frames=frames, masks=masks or None, fps=read.fps, notes=notes, extra=extra)


def _fault(points: list, size: tuple[int, int]) -> str | None:
    if len(points) < 3:
        return f"has {len(points)} points"
    low, high = np.min(points, axis=0), np.max(points, axis=0)
    if (high > np.array(size[::-1])).any():
        return (
            f"reaches from ({low[0]:g}, {low[1]:g}) to ({high[0]:g}, {high[1]:g}), beyond the "
            f"picture of {size[1]} x {size[0]}"
        )
    return None


@dataclass
class Tracings:
    """Tracings of one video in VolumeTracings.csv."""

    outlines: dict[int, list] = field(default_factory=dict)
    """Frame -> points [x, y]."""
    num_lines: int = 0
    """Number of lines with the name of the video."""
    notes: list[str] = field(default_factory=list)


def _read_tracings(file: Path) -> tuple[dict[str, Tracings], dict[str, str]]:
    """Video -> its tracings; and lines that cannot be used, with the reason."""
    rows = _read_csv(file, {"FileName", "Frame"})
    in_pairs = bool(rows) and "X1" in rows[0][1]
    columns = ("X1", "Y1", "X2", "Y2") if in_pairs else ("X", "Y")
    if rows and not set(columns) <= set(rows[0][1]):
        header = ", ".join(map(str, rows[0][1]))
        raise ValueError(f"{file} has columns {header}; it needs X1 to Y2, or X, Y")
    points: dict[str, dict[int, list[list[float] | None]]]
    points = defaultdict(lambda: defaultdict(list))
    tracings: dict[str, Tracings] = defaultdict(Tracings)
    problems = {}
    for line, row in rows:
        name, frame = _stem(row["FileName"]), _number(row["Frame"])
        numbers = [_number(row[column]) for column in columns]
        values = [number for number in numbers if number is not None]
        fault = _fault_of_line(frame, values, num_columns=len(columns))
        if fault:
            problems[f"{file.name}, line {line}"] = fault
            tracings[name].notes.append(f"{file.name}, line {line} {fault}: left out")
        tracings[name].num_lines += 1
        if frame is not None and frame >= 0 and frame == int(frame):
            points[name][int(frame)].append(None if fault else values)
    for name, frames in points.items():
        tracings[name].outlines = {k: _outline(lines, in_pairs) for k, lines in frames.items()}
    return dict(tracings), problems


def _fault_of_line(frame: float | None, values: list[float], *, num_columns: int) -> str | None:
    if len(values) < num_columns or frame is None:
        return "has a field that is not a finite number"
    if frame < 0 or frame != int(frame):
        return f"has the frame {frame:g}, which is not a whole number from 0"
    if min(values) <= -1:
        return f"has the coordinate {min(values):g}, outside the picture"
    return None


def _outline(lines: list[list[float] | None], in_pairs: bool) -> list[list[float]]:
    """Connect the points of all lines to one outline.

    Pairs of points lie left and right of the long axis: the outline goes down one side and up the
    other. The first pair is the axis itself, and is left out. Lines that cannot be used are None;
    they stay in the list, so that the axis is always the first line.
    """
    usable = [line for line in (lines[1:] if in_pairs else lines) if line is not None]
    if not in_pairs:
        return usable
    return [pair[:2] for pair in usable] + [pair[2:] for pair in reversed(usable)]


def _read_csv(file: Path, columns: set[str]) -> list[tuple[int, dict[str, str | None]]]:
    """All rows of a CSV file as (line number, row)."""
    if not file.is_file():
        raise FileNotFoundError(f"there is no {file}. {HOW_TO_GET}")
    with file.open(newline="", encoding="utf-8-sig", errors="replace") as text:
        lines = csv.DictReader(text)
        try:
            rows = [(lines.line_num, row) for row in lines]
        except csv.Error as error:
            raise ValueError(
                f"{file}, line {lines.line_num + 1}, is not a table ({error})"
            ) from error
        missing = columns - set(lines.fieldnames or ())
    if missing:
        raise ValueError(f"{file} has no column {', '.join(sorted(missing))}")
    return rows


def _stem(name: str | None) -> str:
    return (name or "").strip().removesuffix(".avi")


def _number(text: str | None) -> float | None:
    """A finite number, or None."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _reference(
    row: dict, key: str, line: int, notes: list[str], *, most: float = math.inf
) -> float | None:
    """A measurement of the list; None, with a note, if it is not above 0 and at most `most`."""
    number = _number(row[key])
    if number is not None and 0 < number <= most:
        return number
    notes.append(f"FileList.csv, line {line}: {key} is {row[key]!r}, which counts as unknown")
    return None


def list_videos(split: str) -> list[VideoRecord]:
    """Records of "train", "val" or "test", the official split; traced ones only.

    Raises:
        FileNotFoundError: the dataset is not prepared.
    """
    records = records_of("echonet_dynamic", split, how_to_get=HOW_TO_GET)
    return [record for record in records if record.annotated_frames]


for _split in SPLITS:
    DatasetCatalog.register(f"echonet_dynamic_{_split}", functools.partial(list_videos, _split))
    MetadataCatalog.register(f"echonet_dynamic_{_split}", METADATA)
