"""Clips per second from the prepared store, from JPEG frames by PIL, and from .nii.gz."""

import tempfile
from pathlib import Path

import numpy as np

from lgrseg.data import (
    ClipMapper,
    DenseSampler,
    RandomAffine,
    RandomContrast,
    RandomGamma,
    RandomSpeckle,
)
from lgrseg.data.io import read_nifti
from lgrseg.data.record import VideoRecord
from lgrseg.data.store import open_frames, read_record, write_video
from lgrseg.data.transforms.resizing import resize_labels
from lgrseg.studies.benchmarks.timing import Comparison, in_turns

SIZE, NUM_FRAMES, CLIP = (600, 800), 60, 7
MIDDLE = NUM_FRAMES // 2


def run(*, repeats: int) -> Comparison:
    """Time reading 7 of 60 frames of 800 x 600 in one process, and print the result.

    Raises:
        ModuleNotFoundError: PIL is not installed.
    """
    import PIL.Image

    frame_indices = range(MIDDLE - CLIP // 2, MIDDLE + CLIP // 2 + 1)
    with tempfile.TemporaryDirectory() as name:
        record, jpegs, nifti = _write(Path(name))

        def store():
            frames = open_frames(record)
            return np.stack([frames[index] for index in frame_indices])

        def pil():
            return np.stack([np.asarray(PIL.Image.open(jpegs[index])) for index in frame_indices])

        def packed():
            array, _ = read_nifti(nifti)
            return np.stack([array[..., index].T for index in frame_indices])

        assert np.array_equal(store(), packed()) and pil().shape == store().shape
        candidates = {"prepared store": store, "JPEG through PIL": pil, ".nii.gz": packed}
        candidates["store, resized to 336 px, augmented"] = _whole_mapper(record)
        timings = in_turns(candidates, repeats=repeats)
    rate = 1 / timings["store, resized to 336 px, augmented"].seconds
    note = (
        f"One worker gives {rate:.1f} clips per second, resized and augmented. A model that trains "
        f"on N clips per second needs N / {rate:.1f} workers."
    )
    return Comparison("A clip of 7 frames, 800 x 600", timings, "JPEG through PIL", note).show()


def _whole_mapper(record: VideoRecord):
    mapper = ClipMapper(
        frame_sampler=DenseSampler(num_frames=CLIP),
        input_size=(336, 336),
        augmentations=[RandomAffine(), RandomGamma(), RandomContrast(), RandomSpeckle()],
    )
    return lambda: mapper(record, MIDDLE, np.random.default_rng(0))


def _write(folder: Path) -> tuple[VideoRecord, list[Path], Path]:
    import cv2
    import nibabel

    from lgrseg.data.phantom.presets import scans

    scan = next(iter(scans("demo").values()))
    scan.num_frames = NUM_FRAMES
    frames = np.stack([cv2.resize(frame, SIZE[::-1]) for frame in scan.frames()])
    mask = resize_labels(scan.labels(MIDDLE), SIZE)
    meta = {
        "video_id": "video", "original_size": SIZE, "crop_box": (0, 0, *SIZE), "sources": [],
        "spacing_mm": (0.3, 0.3), "fps": 30, "site": None, "patient": "p", "view": "4",
    }  # fmt: skip
    record = read_record(write_video(folder, frames, {MIDDLE: mask}, meta))
    jpegs = [folder / f"{index:03d}.jpg" for index in range(NUM_FRAMES)]
    for path, frame in zip(jpegs, frames, strict=True):
        cv2.imwrite(str(path), frame)
    nifti = folder / "video.nii.gz"
    nibabel.save(nibabel.Nifti1Image(frames.transpose(2, 1, 0), np.eye(4)), nifti)
    return record, jpegs, nifti
