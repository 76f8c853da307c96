"""NIfTI files: arrays of any use, and clips of the axes (x, y, t)."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lgrseg.data.io.axes import clip_axes
from lgrseg.data.io.grey_values import Frames, as_bytes
from lgrseg.data.io.lazy_frames import gather
from lgrseg.data.io.spacing import NO_SPACING, checked_spacing
from lgrseg.data.io.video import UnreadableFile, Video, one_line

MILLIMETRES = {"meter": 1000.0, "micron": 0.001}
"""How many they are to a unit of the header; "mm" and "unknown" are taken as they are."""


def read_nifti(path: Path) -> tuple[np.ndarray, tuple[float, ...]]:
    """The array of a NIfTI file as stored, and the size of its voxels.

    Raises:
        UnreadableFile: the file is cut short or is no NIfTI file.
    """
    try:
        image = _open_nifti(path)
        return np.asarray(image.dataobj), image.header.get_zooms()
    except Exception as error:  # EOFError, zlib.error, HeaderDataError, MemoryError of a wild size
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> UnreadableFile:
    return UnreadableFile(f"{path.name} is cut short or no NIfTI file ({one_line(error)})")


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
    """A NIfTI file as a clip, frame by frame: the file is never whole in memory."""
    import nibabel

    try:
        image = nibabel.load(path)
        shape, kind = image.shape, image.get_data_dtype()
        (column, row), unit = _pixdim(path, type(image.header)), image.header.get_xyzt_units()[0]
    except Exception as error:
        raise _broken(path, error) from error
    if kind.kind == "c":
        raise UnreadableFile(f"{path.name} holds complex numbers, which are no grey values")
    num_frames, coloured = clip_axes(shape, name=path.name)
    notes = []
    if coloured and len(shape) == 4:
        notes.append(f"the axes {shape} are read as {num_frames} frames of RGB")
    frames = _frames(path, image, num_frames, coloured)
    try:
        pictures = gather(as_bytes(frames, num_frames), num_frames)
    except (EOFError, OSError, MemoryError, gzip.zlib.error) as error:
        raise _broken(path, error) from error
    scale = MILLIMETRES.get(unit, 1.0)
    row, column = row * scale, column * scale
    spacing = checked_spacing(row, column, source="the header's pixdim", notes=notes)
    if spacing is None:
        notes.append(NO_SPACING)
    return Video(pictures, spacing, affine=image.affine, notes=notes)


def _pixdim(path: Path, header) -> tuple[float, float]:
    """Column and row as the file has them: nibabel's own header says 1 for 0, and 0.3 for -0.3."""
    with _opened(path) as file:
        content = file.read(header.template_dtype.itemsize)
    column, row = header(content, check=False)["pixdim"][1:3]
    return float(column), float(row)


def _opened(path: Path):
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")


def _frames(path: Path, image, num_frames: int, coloured: bool) -> Frames:
    """Frames as stored: (H, W), or (H, W, 3) of a file with colours."""
    if coloured:  # the colour is the slowest axis, so a frame is in three places
        array = _open_nifti(path).dataobj
        array = np.asarray(array).reshape(*image.shape[:2], num_frames, 3, order="F")
        return lambda: iter(np.moveaxis(array, (2, 1, 0, 3), (0, 1, 2, 3)))
    return lambda: _stream(path, image, num_frames)


def _stream(path: Path, image, num_frames: int) -> Iterator[np.ndarray]:
    """One frame after the other out of the file, to its end, where gzip's checksum is."""
    kind, stored = image.get_data_dtype(), image.dataobj
    columns, rows = image.shape[:2]
    with _opened(path) as file:
        file.seek(stored.offset)
        for number in range(num_frames):
            content = file.read(rows * columns * kind.itemsize)
            if len(content) < rows * columns * kind.itemsize:
                raise EOFError(f"it ends within frame {number} of {num_frames}")
            if kind.names:  # RGB24 and RGBA32
                frame = np.frombuffer(content, np.uint8).reshape(rows, columns, len(kind.names))
                yield frame[..., :3]
                continue
            frame = np.frombuffer(content, kind).reshape(rows, columns)
            if (stored.slope, stored.inter) != (1, 0):
                frame = frame * float(stored.slope) + float(stored.inter)
            yield frame
        while file.read(2**20):
            pass
