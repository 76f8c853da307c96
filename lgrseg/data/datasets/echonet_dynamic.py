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
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

from lgrseg.data.catalog import DatasetCatalog, Metadata, MetadataCatalog
from lgrseg.data.io import read_video
from lgrseg.data.prepare import LoadedVideo, RawVideo, UnusableVideo
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
    """All videos of the list, and what of the lists and folders does not fit together.

    Raises:
        FileNotFoundError: a list is not there.
        ValueError: a list lacks a column.
    """
    listed = _read_csv(raw / "FileList.csv", {"FileName", "EF", "ESV", "EDV", "Split"})
    outlines, problems = _read_tracings(raw / "VolumeTracings.csv")
    videos, names = [], set()
    for row in listed:
        name = _stem(row["FileName"])
        names.add(name)
        file = raw / "Videos" / f"{name}.avi"
        if not file.is_file():
            problems[f"FileList.csv: {name}"] = f"there is no Videos/{name}.avi"
            continue
        split = row["Split"].strip().lower()
        if split not in SPLITS:
            problems[f"FileList.csv: {name}"] = f"its Split is {row['Split']!r}, not of {SPLITS}"
            continue
        facts = {
            "split": split,
            "outlines": outlines.get(name, {}),
            "reference_ejection_fraction": _number(row["EF"]),
            "reference_edv_ml": _number(row["EDV"]),
            "reference_esv_ml": _number(row["ESV"]),
        }
        videos.append(
            RawVideo(
                video_id=name, sources=[file], patient=name, load=_load, view="A4C", facts=facts
            )
        )
    for name in sorted(set(outlines) - names):
        problems[f"VolumeTracings.csv: {name}"] = "is not in FileList.csv"
    for file in sorted((raw / "Videos").glob("*")):
        if file.stem not in names and not file.name.startswith("."):
            problems[f"Videos/{file.name}"] = "is not in FileList.csv"
    return videos, problems


def _load(video: RawVideo) -> LoadedVideo:
    (file,) = video.sources
    read = read_video(file)
    frames = read.frames[..., 0] if read.frames.ndim == 4 else read.frames
    masks, notes, areas = {}, list(read.notes), {}
    for frame, points in video.facts.pop("outlines").items():
        if frame >= len(frames):
            raise UnusableVideo(
                f"VolumeTracings.csv traces frame {frame}, but the video has {len(frames)}"
            )
        if len(points) < 3:
            notes.append(f"the tracing of frame {frame} has {len(points)} points: left out")
            continue
        mask = np.zeros(frames.shape[1:3], np.uint8)
        cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 1)
        masks[frame], areas[frame] = mask, int(mask.sum())
    extra = {}
    if len(areas) >= 2:
        extra = {"ed_frame": max(areas, key=areas.get), "es_frame": min(areas, key=areas.get)}
    return LoadedVideo(frames=frames, masks=masks or None, fps=read.fps, notes=notes, extra=extra)


def _read_tracings(file: Path) -> tuple[dict, dict[str, str]]:
    """Video -> frame -> outline (N, 2) as x, y; and the rows that are none."""
    rows = _read_csv(file, {"FileName", "Frame"})
    in_pairs = bool(rows) and "X1" in rows[0]
    columns = ("X1", "Y1", "X2", "Y2") if in_pairs else ("X", "Y")
    if rows and not set(columns) <= set(rows[0]):
        raise ValueError(f"{file} has columns {', '.join(rows[0])}; wanted are X1 to Y2, or X, Y")
    points, problems = defaultdict(lambda: defaultdict(list)), {}
    for number, row in enumerate(rows, start=2):
        values = [_number(row[column]) for column in columns]
        frame = _number(row["Frame"])
        if None in values or frame is None:
            problems[f"VolumeTracings.csv, line {number}"] = "has a field that is no number"
            continue
        points[_stem(row["FileName"])][int(frame)].append(values)
    return {
        name: {frame: _outline(found, in_pairs) for frame, found in frames.items()}
        for name, frames in points.items()
    }, problems


def _outline(points: list, in_pairs: bool) -> list[list[float]]:
    """One side of the pairs down, the other up; without the first, which is the long axis."""
    if not in_pairs:
        return points
    chords = points[1:]
    return [pair[:2] for pair in chords] + [pair[2:] for pair in reversed(chords)]


def _read_csv(file: Path, wanted: set[str]) -> list[dict[str, str]]:
    if not file.is_file():
        raise FileNotFoundError(f"there is no {file}. {HOW_TO_GET}")
    with file.open(newline="", encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    missing = wanted - set(rows[0] if rows else wanted)
    if missing:
        raise ValueError(f"{file} has no column {', '.join(sorted(missing))}")
    return rows


def _stem(name: str) -> str:
    return name.strip().removesuffix(".avi")


def _number(text: str | None) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def list_videos(split: str) -> list[dict]:
    """Records of "train", "val" or "test", the official split; traced ones only.

    Raises:
        FileNotFoundError: the dataset is not prepared.
    """
    records = records_of("echonet_dynamic", split, how_to_get=HOW_TO_GET)
    return [record for record in records if record["annotated_frames"]]


for _split in SPLITS:
    DatasetCatalog.register(f"echonet_dynamic_{_split}", functools.partial(list_videos, _split))
    MetadataCatalog.register(f"echonet_dynamic_{_split}", METADATA)
