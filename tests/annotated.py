"""A clip on disk, masks that a person can draw, and the way from files back to masks."""

from pathlib import Path

import cv2
import numpy as np

from lgrseg.data.annotations import AnnotatedClip, find_annotations, read_annotation
from lgrseg.data.class_list import class_list
from lgrseg.data.io import image_files, read_video

SIZE = (40, 60)
CLASSES = class_list({"ventricle": {"value": 1, "names": ["LV"]}, "left atrium": {"value": 3}})


def rectangle(top, left, bottom, right):
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return mask


VENTRICLE, ATRIUM = rectangle(5, 10, 20, 30), rectangle(22, 12, 30, 28)
BOTH = np.where(ATRIUM, 2, VENTRICLE).astype(np.uint8)
"""As a prepared mask has them: 1 and 2, whatever the values in files."""


def write_clip(path: Path, num_frames=6):
    """A NIfTI clip (x, y, t)."""
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.random.default_rng(0).integers(0, 255, (num_frames, *SIZE)).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(frames.transpose(2, 1, 0), np.eye(4)), path)
    return path


def write_frames(folder: Path, names):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full(SIZE, 10 * number, np.uint8))
    return folder


def masks_in(root: Path, clip: str, classes=CLASSES, first_number=0, notes=None):
    """The masks that are found for a clip of a folder."""
    found = find_annotations(root)
    entry = found.clips[clip]
    assert not entry.refused, entry.refused
    assert entry.annotation, found.problems
    frames = np.asarray(read_video(entry.path).frames)
    read = AnnotatedClip(
        path=entry.path,
        num_frames=len(frames),
        size=frames.shape[1:3],
        frame_files=tuple(image_files(entry.path)) if entry.path.is_dir() else (),
        first_number=first_number,
    )
    return read_annotation(entry.annotation, read, classes, [] if notes is None else notes)


def assert_same(masks, expected):
    assert sorted(masks) == sorted(expected)
    for frame, mask in expected.items():
        np.testing.assert_array_equal(masks[frame], mask)
