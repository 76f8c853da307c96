"""Chooses the reader of a path by its name, or by its first bytes."""

import warnings
from pathlib import Path

from lgrseg.data.io.animations import ANIMATIONS, read_animation
from lgrseg.data.io.dicom import read_dicom
from lgrseg.data.io.dicom_files import is_dicom, is_dicomdir
from lgrseg.data.io.grey_values import looks_like_doppler
from lgrseg.data.io.metaimage import METAIMAGES, read_metaimage
from lgrseg.data.io.movies import MOVIES, read_movie
from lgrseg.data.io.nifti import read_nifti_video
from lgrseg.data.io.stills import (
    IMAGES,
    MANY,
    TIFFS,
    image_files,
    num_pages,
    read_folder,
    read_tiff,
)
from lgrseg.data.io.video import UnreadableFile, Video, one_line

READERS = {
    (".nii", ".nii.gz"): read_nifti_video,
    METAIMAGES: read_metaimage,
    MOVIES: read_movie,
    (".dcm",): read_dicom,
    TIFFS: read_tiff,
    ANIMATIONS: read_animation,
}
"""Readers by file extension (in lower case)."""
DARKEST = 8
"""A frame without pixels of at least this brightness (of 255) counts as black."""


def is_readable(path: Path) -> bool:
    """True if `read_video` can read this file or folder of images as a clip.

    A TIFF, GIF or WebP file is a clip if it has several pictures. DICOM is recognised with any
    name. An index of DICOM files (DICOMDIR) is not a clip, see `dicomdir_files`.
    """
    if path.is_dir():
        return bool(image_files(path))
    name = path.name.lower()
    if name.startswith(".") or is_dicomdir(path):
        return False
    if name.endswith(MANY):
        return num_pages(path) > 1
    return _reader(path) is not None


def read_video(path: str | Path) -> Video:
    """Read a clip.

    Raises:
        FileNotFoundError: the path does not exist.
        UnreadableFile: the format is unknown, the file is damaged, or it has no frames.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    reader = read_folder if path.is_dir() else _reader(path)
    if reader is None:
        raise UnreadableFile(
            f"{path.name}: supported are DICOM of any name, {', '.join(sum(READERS, ()))} and "
            f"folders of {', '.join(IMAGES)}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # warnings of the libraries; important ones become notes
            video = reader(path)
    except UnreadableFile:
        raise
    except Exception as error:  # every library has its own errors
        raise UnreadableFile(f"{path.name} cannot be read: {one_line(error)}") from error
    if 0 in video.frames.shape:
        raise UnreadableFile(f"{path.name} has no frame: its shape is {video.frames.shape}")
    if looks_like_doppler(video.frames):
        video.doubt("looks like colour Doppler; models here are for grey (B-mode) pictures")
    if _is_black(video.frames):
        video.doubt("every frame is black: there is nothing in them to segment")
    return video


def _is_black(frames) -> bool:
    return all(int(frame.max()) < DARKEST for frame in frames)


def _reader(path: Path):
    for endings, reader in READERS.items():
        if path.name.lower().endswith(endings):
            return reader
    return read_dicom if is_dicom(path) else None
