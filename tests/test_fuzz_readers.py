"""Clips of random layout: the right frames, or one sentence that says why not; nothing in silence.

Files that are damaged byte by byte are tried in test_fuzz.py. The cases are seeded: a failure names
its kind and number.
"""

import random
import shutil

import numpy as np
import pydicom
import pytest
from written_clips import DICOM_FILES, WRITERS

from lgrseg.data.io import UnreadableFile, read_video


def wrong(path, right, tolerance):
    """What is wrong with how a file is read, "" where nothing is."""
    try:
        video = read_video(path)
    except UnreadableFile as error:
        return f"valid, but refused: {error}"
    frames = np.asarray(video.frames)
    if right.ndim == 3 and frames.ndim == 4:  # lossy coders make grey nearly grey
        frames = frames[..., 1]
    if right.ndim == 4 and frames.ndim == 3:
        frames = np.repeat(frames[..., None], 3, axis=-1)
    if frames.dtype != np.uint8 or frames.shape != right.shape:
        return f"{frames.shape} {frames.dtype} instead of {right.shape}"
    difference = np.abs(frames.astype(int) - right).reshape(len(right), -1).mean(axis=1).max()
    if difference > tolerance:
        return f"a frame differs by {difference:.1f}"
    sizes = video.spacing_mm or (1, 1)
    if not all(0.005 <= size <= 10 for size in sizes) or not 1 <= (video.fps or 1) <= 1000:
        return f"spacing {video.spacing_mm}, rate {video.fps}"
    return ""


@pytest.mark.parametrize("total", [48, pytest.param(1600, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", WRITERS)
def test_every_layout_is_read_rightly(tmp_path, kind, total):
    failures = {}
    for number in range(total // len(WRITERS)):
        folder = tmp_path / str(number)
        folder.mkdir()
        result = wrong(*WRITERS[kind](folder, random.Random(f"{kind}{number}")))
        if result:
            failures[number] = result
        shutil.rmtree(folder)
    assert not failures


def pixels_of(file):
    """Frames, rows, columns that a file of pydicom's announces; None where it has no pixels."""
    try:
        dataset = pydicom.dcmread(file, force=True)
        if "PixelData" not in dataset:
            return None
        return int(dataset.get("NumberOfFrames") or 1), dataset.Rows, dataset.Columns
    except Exception:
        return None


ALTERED = {
    "NumberOfFrames": (None, 1, 2, 500),
    "FrameTime": ("0", "-5", "1e-310"),
    "PixelSpacing": ([0, 0], [-1, -1], [1e-9, 1e-9]),
    "PhotometricInterpretation": ("MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", None),
    "BitsStored": (1, 8, 12, 16),
    "PixelRepresentation": (0, 1, None),
    "Rows": (None, 0, 7),
    "SamplesPerPixel": (1, 3, None),
}


def alter(file, path, rng):
    """Copy a DICOM file with up to two items changed or left out; their names."""
    names = rng.sample(sorted(ALTERED), rng.choice((0, 1, 1, 2)))
    if not names:
        shutil.copy(file, path)
        return names
    dataset = pydicom.dcmread(file, force=True)
    for name in names:
        value = rng.choice(ALTERED[name])
        if value is None:
            dataset.pop(name, None)
        else:
            setattr(dataset, name, value)
    dataset.save_as(path)
    return names


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("total", [24, pytest.param(400, marks=pytest.mark.slow)])
def test_pydicoms_own_files_with_altered_headers(tmp_path, total):
    files = [file for file in sorted(DICOM_FILES.rglob("*")) if file.is_file()]
    files = [file for file in files if "TINY" not in str(file)]
    outcomes = {"read": 0, "told": 0, "not writable": 0}
    for number in range(total):
        file, rng = files[7 * number % len(files)], random.Random(number)
        path, size = tmp_path / "clip.dcm", pixels_of(file)
        try:
            altered = alter(file, path, rng)
        except Exception:  # pydicom writes only what is valid
            outcomes["not writable"] += 1
            continue
        try:
            video = read_video(path)
        except UnreadableFile as error:
            outcomes["told"] += 1
            assert str(error).startswith("clip.dcm") and "\n" not in str(error), (file, altered)
            continue
        outcomes["read"] += 1
        frames = np.asarray(video.frames)
        assert frames.dtype == np.uint8, (file, altered)
        if not {"Rows", "SamplesPerPixel", "PhotometricInterpretation"} & set(altered):
            assert size is None or frames.shape[:3] == size, (file, altered, video.notes)
    print(outcomes)
    assert outcomes["read"] > outcomes["told"] / 2 > 0
