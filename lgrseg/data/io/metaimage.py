"""Reads MetaImage files (.mhd with its .raw, .mha)."""

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lgrseg.data.io import lazy_frames
from lgrseg.data.io.axes import clip_axes
from lgrseg.data.io.grey_values import as_bytes
from lgrseg.data.io.lazy_frames import gather
from lgrseg.data.io.spacing import NO_SPACING, checked_spacing
from lgrseg.data.io.video import UnreadableFile, Video, one_line

METAIMAGES = (".mhd", ".mha")
LONGEST_HEADER = 2**16
GEOMETRY = ("elementspacing", "elementsize", "transformmatrix", "rotation", "orientation")
"""Items of the image geometry; SimpleITK rejects a file with a zero in one of them."""


def read_metaimage(path: Path) -> Video:
    """Read a MetaImage file as a clip; frame by frame if it is large and not compressed."""
    header, _ = _header(path)
    items = {name.lower(): value for name, value in header}
    with tempfile.TemporaryDirectory() as folder:
        reader = _reader(path, Path(folder))
        shape, channels = reader.GetSize(), reader.GetNumberOfComponents()
    num_frames, coloured = clip_axes(shape, name=path.name)
    if channels not in (1, 3, 4) or (coloured and channels > 1):
        raise UnreadableFile(
            f"{path.name} has the axes {shape} and {channels} channels; a clip has the axes "
            "(x, y, t) and 1 channel, 3 (RGB) or 4 (RGBA)"
        )
    frames = as_bytes(lambda: _frames(path, num_frames, coloured), num_frames)
    notes: list[str] = []
    spacing = None
    if sizes := items.get("elementspacing") or items.get("elementsize"):
        column, row, *_ = [*sizes.split(), None, None]
        spacing = checked_spacing(row, column, source="ElementSpacing", notes=notes)
    if spacing is None:
        notes.append(NO_SPACING)
    return Video(gather(frames, num_frames), spacing, notes=notes)


def _header(path: Path) -> tuple[list[tuple[str, str]], int]:
    """The items of the header, and its length in bytes."""
    items, size = [], 0
    with path.open("rb") as file:
        for line in iter(lambda: file.readline(LONGEST_HEADER), b""):
            size += len(line)
            name, sign, value = line.decode("latin-1").partition("=")
            if not sign or size > LONGEST_HEADER:
                break
            items.append((name.strip(), value.strip()))
            if name.strip().lower() == "elementdatafile":
                return items, size
    raise UnreadableFile(f"{path.name} is not a MetaImage file: it has no ElementDataFile")


def _reader(path: Path, folder: Path):
    """SimpleITK's reader of the pixels; uses a header in `folder` without geometry."""
    import SimpleITK

    items, size = _header(path)
    data_file = items.pop()[1]  # ElementDataFile is the last one
    header = path
    if data_file.upper() != "LIST":
        plain = [item for item in items if item[0].lower() not in GEOMETRY]
        if data_file.upper() == "LOCAL":
            plain, data_file = [*plain, ("HeaderSize", str(size))], path.name
        plain.append(("ElementDataFile", str(path.resolve().parent / data_file)))
        header = folder / "plain.mhd"
        header.write_text("".join(f"{name} = {value}\n" for name, value in plain))
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(header))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise UnreadableFile(f"{path.name} is not a MetaImage file: {one_line(error)}") from error
    return reader


def _frames(path: Path, num_frames: int, coloured: bool) -> Iterator[np.ndarray]:
    """Yield the frames, (H, W) or (H, W, 3)."""
    import SimpleITK

    compressed = ("compresseddata", "true") in {
        (name.lower(), value.lower()) for name, value in _header(path)[0]
    }
    with tempfile.TemporaryDirectory() as folder:
        reader = _reader(path, Path(folder))
        size, channels = reader.GetSize(), reader.GetNumberOfComponents()
        values = math.prod(size) * channels
        if values <= lazy_frames.WHOLE_BYTES or compressed or coloured:
            image = reader.Execute()
            array = SimpleITK.GetArrayViewFromImage(image)
            if coloured:  # (3, t, y, x) after axes of length 1 are removed
                array = np.moveaxis(array.reshape(3, num_frames, size[1], size[0]), 0, -1)
            array = array.reshape(num_frames, size[1], size[0], -1)
            yield from (_three_or_one(frame) for frame in array)
            return
        for number in range(num_frames):
            reader.SetExtractSize([*size[:2], *([1] * (len(size) - 2))])
            reader.SetExtractIndex([0, 0, *(number if length > 1 else 0 for length in size[2:])])
            array = SimpleITK.GetArrayFromImage(reader.Execute())
            yield _three_or_one(array.reshape(size[1], size[0], -1))


def _three_or_one(frame: np.ndarray) -> np.ndarray:
    """Convert RGBA to RGB and one channel to (H, W)."""
    return frame[..., 0] if frame.shape[-1] == 1 else frame[..., :3]
