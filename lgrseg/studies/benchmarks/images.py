"""Images per second of a pretraining stream: single PNG files against shards of the same frames."""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from lgrseg.data import RandomFlip, RandomFrameMapper
from lgrseg.data.images.source import ImageSource
from lgrseg.data.images.stream import ImageStream, open_source
from lgrseg.data.images.writing import files_of, write_shards
from lgrseg.data.phantom.presets import scans
from lgrseg.studies.benchmarks.timing import Comparison, in_turns

SIZE, NUM_FILES, NUM_READ = (600, 800), 120, 40
BASELINE = "PNG files"
KINDS = (("png", None), ("jpg", None), ("png", 256), ("jpg", 256), ("npy", 256))
"""Encoding of frames in shards, and their short side in pixels (None: full size)."""


def run(*, repeats: int) -> list[Comparison]:
    """Time reading 40 of 120 phantom frames of 800 x 600 in one process, and print the results.

    The second table includes the crop to 224 px of MAE and USFM. All files are in the memory of the
    operating system, so the disk is not measured.

    Raises:
        ModuleNotFoundError: webdataset is not installed.
    """
    with tempfile.TemporaryDirectory() as name:
        sources = _sources(Path(name))
        reading = {key: _reader(source) for key, source in sources.items()}
        reading["PNG files, OpenCV alone"] = _opencv_reader(Path(name) / "png")
        mapper = RandomFrameMapper(size=(224, 224), augmentations=[RandomFlip(horizontal=0.5)])
        streams = {
            key: _stream_reader(ImageStream(source=source, mapper=mapper))
            for key, source in sources.items()
        }
        return [
            _compare(f"Reading {NUM_READ} images, 800 x 600", reading, repeats),
            _compare(f"Views of 224 px of {NUM_READ} images, 800 x 600", streams, repeats),
        ]


def _sources(folder: Path) -> dict[str, ImageSource]:
    _write_files(folder / "png")
    files, shards = files_of(str(folder / "png")), folder / "shards"
    for ending, side in KINDS:
        place = f"{shards}/{ending}{side}"
        write_shards(
            files, place, ending=ending, short_side=side, frames_per_shard=60, max_distance=None
        )
    return {BASELINE: open_source(str(folder / "png"))} | {
        f"shards of {ending}{f', short side {side}' if side else ''}": open_source(
            f"{shards}/{ending}{side}"
        )
        for ending, side in KINDS
    }


def _write_files(folder: Path) -> None:
    folder.mkdir()
    scan = next(iter(scans("demo").values()))
    scan.num_frames = NUM_FILES
    for index, frame in enumerate(scan.frames()):
        large = cv2.resize(frame, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{index:04d}.png"), large)


def _reader(source: ImageSource) -> Callable[[], None]:
    positions, rng = itertools.count(), np.random.default_rng(0)

    def read() -> None:
        for position in itertools.islice(positions, NUM_READ):
            source.read(source.element_at(position, 0), rng)

    return read


def _opencv_reader(folder: Path) -> Callable[[], None]:
    paths: Iterator[Path] = itertools.cycle(sorted(folder.iterdir()))

    def read() -> None:
        for path in itertools.islice(paths, NUM_READ):
            cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)

    return read


def _stream_reader(stream: ImageStream) -> Callable[[], None]:
    positions = itertools.count()

    def read() -> None:
        for position in itertools.islice(positions, NUM_READ):
            stream[position]

    return read


def _compare(title: str, candidates: dict[str, Callable[[], None]], repeats: int) -> Comparison:
    timings = in_turns(candidates, repeats=repeats)
    rates = [f"{key} {NUM_READ / timing.seconds:.0f}" for key, timing in timings.items()]
    return Comparison(title, timings, BASELINE, f"Images per second: {', '.join(rates)}.").show()
