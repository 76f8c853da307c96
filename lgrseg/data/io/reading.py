"""Which reader a path needs: by its name."""

from pathlib import Path

from lgrseg.data.io.dicom import read_dicom
from lgrseg.data.io.grey_values import looks_like_doppler
from lgrseg.data.io.metaimage import METAIMAGES, read_metaimage
from lgrseg.data.io.movies import MOVIES, read_movie
from lgrseg.data.io.nifti import read_nifti_video
from lgrseg.data.io.stills import IMAGES, image_files, read_folder
from lgrseg.data.io.video import UnreadableFile, Video


def is_readable(path: Path) -> bool:
    """Whether `read_video` knows this kind of file (or folder of images)."""
    if path.is_dir():
        return bool(image_files(path))
    return path.name.lower().endswith((".nii", ".nii.gz", ".dcm", *MOVIES, *METAIMAGES))


def read_video(path: str | Path) -> Video:
    """Read a clip.

    Raises:
        FileNotFoundError: nothing there.
        UnreadableFile: an unknown kind of file, one that is broken, or one without frames.
    """
    video = _read(Path(path))
    if 0 in video.frames.shape:
        raise UnreadableFile(f"{Path(path).name} holds no frame: {video.frames.shape}")
    if looks_like_doppler(video.frames):
        video.notes.append("looks like colour Doppler; models here are for grey (B-mode) pictures")
    return video


def _read(path: Path) -> Video:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    name = path.name.lower()
    try:
        if path.is_dir():
            return read_folder(path)
        if name.endswith((".nii", ".nii.gz")):
            return read_nifti_video(path)
        if name.endswith(METAIMAGES):
            return read_metaimage(path)
        if name.endswith(MOVIES):
            return read_movie(path)
        if name.endswith(".dcm"):
            return read_dicom(path)
    except UnreadableFile:
        raise
    except Exception as error:  # every library has its own; the user needs one sentence
        raise UnreadableFile(f"{path.name} cannot be read: {error}") from error
    raise UnreadableFile(
        f"{path.name}: known are .nii, .nii.gz, .mhd, .mha, .dcm, {', '.join(MOVIES)} and folders "
        f"of {', '.join(IMAGES)}"
    )
