"""Reads NIfTI files: arrays, and clips with the axes (x, y, t)."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lgrseg.data.io.axes import clip_axes
from lgrseg.data.io.grey_values import Frames, as_bytes
from lgrseg.data.io.lazy_frames import gather
from lgrseg.data.io.rates import checked_rate
from lgrseg.data.io.spacing import NO_SPACING, checked_spacing
from lgrseg.data.io.video import UnreadableFile, Video, one_line

if TYPE_CHECKING:  # nibabel is only imported when a NIfTI file is read
    from nibabel import Nifti1Pair
    from nibabel.arrayproxy import ArrayProxy

MILLIMETRES = {"meter": 1000.0, "micron": 0.001}
"""Millimetres per unit of the header; "mm" and "unknown" count as millimetres."""
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
"""Seconds per unit of the header; a header with another unit states no time."""


def read_nifti(path: Path) -> tuple[np.ndarray, tuple[float, ...]]:
    """Read the array of a NIfTI file as stored, and the size of its voxels.

    Raises:
        UnreadableFile: the file is truncated or is not a NIfTI file.
    """
    try:
        image = _read_whole(path)
        return np.asarray(image.dataobj), image.header.get_zooms()
    except Exception as error:  # EOFError, zlib.error, HeaderDataError, MemoryError of a wild size
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> UnreadableFile:
    return UnreadableFile(f"{path.name} is cut short or not a NIfTI file ({one_line(error)})")


def open_nifti(path: Path) -> "Nifti1Pair":
    """Open a NIfTI file of version 1 or 2 without reading its array.

    Raises:
        ValueError: nibabel reads the file as another format.
    """
    import nibabel

    image = nibabel.load(path)
    if not isinstance(image, nibabel.Nifti1Pair):
        raise ValueError(f"{path.name} is a {type(image).__name__}, not a NIfTI file")
    return image


def array_in_file(image: "Nifti1Pair") -> "ArrayProxy":
    """The array of an image that was opened from a file: its offset, slope and intercept."""
    from nibabel.arrayproxy import ArrayProxy

    assert isinstance(image.dataobj, ArrayProxy)
    return image.dataobj


def _read_whole(path: Path) -> "Nifti1Pair":
    import nibabel

    if path.suffix != ".gz":
        return open_nifti(path)
    # nibabel does not read gzip's checksum at the end, so it would not notice damage.
    with gzip.open(path) as file:
        content = file.read()
    header_size = {int.from_bytes(content[:4], order) for order in ("little", "big")}
    image_class = nibabel.Nifti2Image if 540 in header_size else nibabel.Nifti1Image
    return image_class.from_bytes(content)


def read_nifti_video(path: Path) -> Video:
    """Read a NIfTI file as a clip, frame by frame; it is never completely in memory."""
    try:
        image = open_nifti(path)
        shape, dtype = image.shape, image.get_data_dtype()
        (column, row), unit = _pixdim(path, type(image.header)), image.header.get_xyzt_units()[0]
    except Exception as error:
        raise _broken(path, error) from error
    if dtype.kind == "c":
        raise UnreadableFile(f"{path.name} has complex numbers, which are not grey values")
    num_frames, coloured = clip_axes(shape, name=path.name)
    notes = []
    if coloured and len(shape) == 4:
        notes.append(f"the axes {shape} are read as {num_frames} frames of RGB")
    width, height = shape[:2]
    if min(height, num_frames) > 4 * width or width != height == num_frames:
        notes.append(
            f"the axes {shape} are read as {num_frames} frames {width} px wide and {height} px "
            "high: if the first axis is the time, write the array as (x, y, t)"
        )
    frames = _frames(path, image, num_frames, coloured)
    try:
        pictures = gather(as_bytes(frames, num_frames), num_frames)
    except (EOFError, OSError, MemoryError, zlib.error) as error:
        raise _broken(path, error) from error
    scale = MILLIMETRES.get(unit, 1.0)
    row, column = row * scale, column * scale
    spacing = checked_spacing(row, column, source="the header's pixdim", notes=notes)
    if spacing is None:
        notes.append(NO_SPACING)
    rate = _rate(image.header, shape, num_frames, notes)
    return Video(pictures, spacing, fps=rate, affine=image.affine, notes=notes)


def _pixdim(path: Path, header) -> tuple[float, float]:
    """Column and row spacing as stored: nibabel's header has 1 instead of 0, and 0.3 for -0.3."""
    with _opened(path) as file:
        content = file.read(header.template_dtype.itemsize)
    column, row = header(content, check=False)["pixdim"][1:3]
    return float(column), float(row)


def _rate(header, shape: tuple[int, ...], num_frames: int, notes: list[str]) -> float | None:
    """Frames per second, if the fourth axis is time and its unit is stated.

    In (x, y, t, 3), the fourth axis is colour.

    1 s is left out: programs write it if they do not know the time.
    """
    seconds = SECONDS.get(header.get_xyzt_units()[1])
    if seconds is None or num_frames == 1 or shape[2:4] != (1, num_frames):
        return None
    step = float(header["pixdim"][4]) * seconds
    if step in (0, 1):
        return None
    source = f"the header's time step of {step:.3g} s"
    return checked_rate(1 / step, source=source, notes=notes)


def _opened(path: Path):
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")


def _frames(path: Path, image: "Nifti1Pair", num_frames: int, coloured: bool) -> Frames:
    """Frames as stored: (H, W), or (H, W, 3) if the file has colours."""
    if coloured:  # colour is the slowest axis, so a frame has three separate parts
        array = np.asarray(_read_whole(path).dataobj)
        array = array.reshape(*image.shape[:2], num_frames, 3, order="F")
        return lambda: iter(np.moveaxis(array, (2, 1, 0, 3), (0, 1, 2, 3)))
    return lambda: _stream(path, image, num_frames)


def _stream(path: Path, image: "Nifti1Pair", num_frames: int) -> Iterator[np.ndarray]:
    """Yield the frames one by one; reads to the end of the file, to check gzip's checksum."""
    dtype, stored = image.get_data_dtype(), array_in_file(image)
    slope, intercept = float(stored.slope), float(stored.inter)
    columns, rows = image.shape[:2]
    with _opened(path) as file:
        file.seek(stored.offset)
        for number in range(num_frames):
            content = file.read(rows * columns * dtype.itemsize)
            if len(content) < rows * columns * dtype.itemsize:
                raise EOFError(f"the file ends within frame {number} of {num_frames}")
            if dtype.names:  # RGB24 and RGBA32
                frame = np.frombuffer(content, np.uint8).reshape(rows, columns, len(dtype.names))
                yield frame[..., :3]
                continue
            numbers = np.frombuffer(content, dtype).reshape(rows, columns)
            if (slope, intercept) != (1, 0):
                numbers = numbers * slope + intercept
            yield numbers
        while file.read(2**20):
            pass
