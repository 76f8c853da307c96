"""NIfTI files: arrays of any use, and clips of the axes (x, y, t)."""

import gzip
from pathlib import Path

import numpy as np

from lgrseg.data.io.grey_values import one_channel_if_grey, to_uint8
from lgrseg.data.io.video import UnreadableFile, Video


def read_nifti(path: Path) -> tuple[np.ndarray, tuple[float, ...]]:
    """The array of a NIfTI file as stored, and the size of its voxels.

    Raises:
        UnreadableFile: the file is cut short or is no NIfTI file.
    """
    try:
        image = _open_nifti(path)
        return np.asarray(image.dataobj), image.header.get_zooms()
    except Exception as error:  # EOFError, zlib.error, HeaderDataError, MemoryError of a wild size
        why = str(error) or type(error).__name__
        raise UnreadableFile(f"{path.name} is cut short or no NIfTI file ({why})") from error


def _open_nifti(path: Path):
    import nibabel

    if path.suffix != ".gz":
        return nibabel.load(path)
    # nibabel stops before the end, where gzip's checksum is: damage would go unnoticed.
    with gzip.open(path) as file:
        content = file.read()
    header_size = {int.from_bytes(content[:4], order) for order in ("little", "big")}
    kind = nibabel.Nifti2Image if 540 in header_size else nibabel.Nifti1Image
    return kind.from_bytes(content)


def read_nifti_video(path: Path) -> Video:
    """A NIfTI file as a clip."""
    import nibabel

    array, zooms = read_nifti(path)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim == 5 and array.shape[3] == 1:  # x, y, t, 1, channels
        array = array[:, :, :, 0]
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] != 3):
        raise UnreadableFile(f"{path.name}: axes must be (x, y, t), not of shape {array.shape}")
    frames = np.moveaxis(array, (2, 1, 0), (0, 1, 2))
    spacing = (float(zooms[1]), float(zooms[0]))
    return Video(one_channel_if_grey(to_uint8(frames)), spacing, affine=nibabel.load(path).affine)
