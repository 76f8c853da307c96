"""Which reader a path needs: by its name, or by its first bytes where that says nothing."""

import warnings
from pathlib import Path

from lgrseg.data.io.dicom import read_dicom
from lgrseg.data.io.dicom_files import is_dicom, is_dicomdir
from lgrseg.data.io.grey_values import looks_like_doppler
from lgrseg.data.io.metaimage import METAIMAGES, read_metaimage
from lgrseg.data.io.movies import MOVIES, read_movie
from lgrseg.data.io.nifti import read_nifti_video
from lgrseg.data.io.stills import IMAGES, TIFFS, image_files, num_pages, read_folder, read_tiff
from lgrseg.data.io.video import UnreadableFile, Video, one_line

READERS = {
    (".nii", ".nii.gz"): read_nifti_video,
    METAIMAGES: read_metaimage,
    MOVIES: read_movie,
    (".dcm",): read_dicom,
    TIFFS: read_tiff,
}
"""Endings of names in small letters, and what reads such files."""
DARKEST = 8
"""Of 255: a frame without a pixel as bright shows nothing."""


def is_readable(path: Path) -> bool:
    """Whether `read_video` reads such a file, or folder of images, as a clip.

    A TIFF file is a clip where it has several pages. DICOM is recognised with any name; an index
    of DICOM files (DICOMDIR) is no clip: see `dicomdir_files`.
    """
    if path.is_dir():
        return bool(image_files(path))
    name = path.name.lower()
    if name.startswith(".") or is_dicomdir(path):
        return False
    if name.endswith(TIFFS):
        return num_pages(path) > 1
    return _reader(path) is not None


def read_video(path: str | Path) -> Video:
    """Read a clip.

    Raises:
        FileNotFoundError: nothing there.
        UnreadableFile: an unknown kind of file, one that is broken, or one without frames.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    reader = read_folder if path.is_dir() else _reader(path)
    if reader is None:
        raise UnreadableFile(
            f"{path.name}: known are DICOM of any name, {', '.join(sum(READERS, ()))} and folders "
            f"of {', '.join(IMAGES)}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the libraries' own; what matters becomes a note
            video = reader(path)
    except UnreadableFile:
        raise
    except Exception as error:  # every library has its own; the user needs one sentence
        raise UnreadableFile(f"{path.name} cannot be read: {one_line(error)}") from error
    if 0 in video.frames.shape:
        raise UnreadableFile(f"{path.name} holds no frame: {video.frames.shape}")
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
