"""Decodes the frames of a DICOM file one by one, with the first library that can read them.

pydicom is tried first; SimpleITK (by GDCM) also decodes JPEG-LS and lossless JPEG. SimpleITK gets
each frame as a separate file whose header only describes how the pixels are stored, because it
treats palettes, MONOCHROME1 and a missing NumberOfFrames differently for different compressions.
"""

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from struct import unpack

import numpy as np

from lgrseg.data.io.grey_values import Frames
from lgrseg.data.io.video import UnreadableFile, one_line

PICTURE_STARTS = (b"\xff\xd8", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP")
"""First bytes of a frame in JPEG and JPEG-LS, in a JPEG 2000 stream, and in a JP2 file."""
FILMS = ("MPEG", "HEVC")
"""First letters of the names of transfer syntaxes that store a video stream."""
ITEM = b"\xfe\xff\x00\xe0"
"""First bytes of compressed pixel data: the first fragment, the table of offsets."""


def count_frames(path: Path, dataset) -> int | None:
    """Count the complete frames in the pixel data; NumberOfFrames is not used.

    Args:
        path: DICOM file.
        dataset: header of the file.

    Returns:
        The number of frames; None for video streams, in which frames cannot be counted.

    Raises:
        UnreadableFile: there is no complete frame.
    """
    with _pixel_data(path, dataset) as (file, length):
        start = file.tell()
        compressed = file.read(4) == ITEM
        file.seek(start)
        if compressed != _syntax(dataset).is_encapsulated:
            raise UnreadableFile(
                f"{path.name} has {'' if compressed else 'un'}compressed pixels, but its "
                f"transfer syntax is {_syntax(dataset).name}"
            )
        if compressed:
            count = _count_pictures(file, dataset)
        else:
            count = 8 * min(length, file.seek(0, 2) - start) // _bits_a_frame(dataset)
    if count == 0:
        raise UnreadableFile(f"{path.name} ends within its first frame")
    return count


def frames_of(path: Path, dataset, num_frames: int) -> Frames:
    """Decode the frames as stored, but YBR as RGB, with the first library that can read them.

    Args:
        path: DICOM file.
        dataset: header of the file.
        num_frames: number of frames in the pixel data.

    Raises:
        UnreadableFile: no library decodes the first frame.
    """
    decoders: tuple[Callable, ...] = (_by_pydicom, _by_simpleitk)
    if photometric(dataset) == "YBR_FULL_422" and not _syntax(dataset).is_encapsulated:
        decoders = (_half_colours,)
    if _syntax(dataset).name.startswith(FILMS):
        decoders = (_by_ffmpeg,)
    reasons = []
    for decode in decoders:
        try:
            next(iter(decode(path, dataset, num_frames)))
            return partial(decode, path, dataset, num_frames)
        except Exception as error:  # every library has its own errors
            reasons.append(one_line(error))
    raise UnreadableFile(
        f"{path.name} is compressed as {_syntax(dataset).name}, which no installed library "
        "decodes, or it is damaged; pip install 'lgrseg[jpeg]' adds pylibjpeg (its libjpeg part "
        "is GPL): "
        f"{'; '.join(reasons)}"
    )


def _syntax(dataset):
    return dataset.file_meta.TransferSyntaxUID


def _layout(dataset) -> dict:
    """How pixels are stored, with the usual values for missing items."""
    samples = int(dataset.get("SamplesPerPixel") or 1)
    bits = int(dataset.get("BitsAllocated") or 8)
    return {
        "rows": int(dataset.Rows),
        "columns": int(dataset.Columns),
        "samples_per_pixel": samples,
        "photometric_interpretation": photometric(dataset),
        "planar_configuration": int(dataset.get("PlanarConfiguration") or 0),
        "bits_allocated": bits,
        "bits_stored": int(dataset.get("BitsStored") or bits),
        "pixel_representation": int(dataset.get("PixelRepresentation") or 0),
    }


def photometric(dataset) -> str:
    """PhotometricInterpretation, or its most likely value if it is missing."""
    default = "MONOCHROME2" if int(dataset.get("SamplesPerPixel") or 1) == 1 else "RGB"
    return str(dataset.get("PhotometricInterpretation") or default).strip()


def _bits_a_frame(dataset) -> int:
    layout = _layout(dataset)
    values = layout["rows"] * layout["columns"] * layout["samples_per_pixel"]
    if layout["photometric_interpretation"] == "YBR_FULL_422":
        values = values // 3 * 2
    return max(values * layout["bits_allocated"], 1)


@contextmanager
def _pixel_data(path: Path, dataset) -> Iterator[tuple[io.BufferedIOBase, int]]:
    """The file, opened at the value of PixelData, and the length in its header."""
    import pydicom
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    if _syntax(dataset) == DeflatedExplicitVRLittleEndian:
        pixels = pydicom.dcmread(path, force=True).PixelData
        yield io.BytesIO(pixels), len(pixels)
        return
    with path.open("rb") as file:
        pydicom.dcmread(file, stop_before_pixels=True, force=True)
        head = file.read(8)
        if head[4:6] in (
            b"OB",
            b"OW",
            b"OF",
            b"OD",
            b"UN",
        ):  # otherwise the length follows directly
            head += file.read(4)
        if len(head) not in (8, 12):
            raise UnreadableFile(f"{path.name} has a header but no pixel data: it is cut short")
        _, little = dataset.original_encoding
        yield file, unpack("<L" if little else ">L", head[-4:])[0]


def _count_pictures(file: io.BufferedIOBase, dataset) -> int | None:
    """Count the fragments that begin a picture, up to the first truncated one."""
    starts = list(_fragments(file))[1:]  # the first is the table of offsets
    if "RLE" in _syntax(dataset).name:
        return len(starts)
    pictures = sum(start.startswith(PICTURE_STARTS) for start in starts)
    return pictures or (None if any(starts) else 0)


def _fragments(file: io.BufferedIOBase) -> Iterator[bytes]:
    """Yield the first bytes of every complete fragment (little-endian, as all compressed files)."""
    position = file.tell()
    end = file.seek(0, 2)
    file.seek(position)
    while len(head := file.read(8)) == 8:
        group, element, length = unpack("<HHL", head)
        start = file.tell()
        if (group, element) != (0xFFFE, 0xE000) or start + length > end:
            return
        yield file.read(min(length, 8))
        file.seek(start + length)


def _by_pydicom(path: Path, dataset, num_frames: int) -> Iterator[np.ndarray]:
    import pydicom
    from pydicom.pixels import iter_pixels
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    deflated = _syntax(dataset) == DeflatedExplicitVRLittleEndian
    source = pydicom.dcmread(path, force=True) if deflated else path
    layout = _layout(dataset)
    if not deflated:
        layout["transfer_syntax_uid"] = _syntax(dataset)
    if layout["samples_per_pixel"] == 1:
        del layout["planar_configuration"]
    return iter_pixels(source, number_of_frames=num_frames, **layout)


def _half_colours(path: Path, dataset, num_frames: int) -> Iterator[np.ndarray]:
    """Decode uncompressed YBR_FULL_422, which pydicom 3.0 does not read frame by frame.

    Two neighbours in a row share their colour: they are stored as Y, Y, Cb, Cr (DICOM PS3.3,
    C.7.6.3.1.2).
    """
    from pydicom.pixels import convert_color_space

    rows, columns = int(dataset.Rows), int(dataset.Columns)
    with _pixel_data(path, dataset) as (file, _):
        for _ in range(num_frames):
            content = file.read(_bits_a_frame(dataset) // 8)
            pairs = np.frombuffer(content, np.uint8).reshape(rows, columns // 2, 4)
            colours = np.repeat(pairs[..., 2:], 2, axis=1)
            grey = pairs[..., :2].reshape(rows, columns, 1)
            yield convert_color_space(np.concatenate([grey, colours], 2), "YBR_FULL", "RGB")


def _by_simpleitk(path: Path, dataset, num_frames: int) -> Iterator[np.ndarray]:
    import SimpleITK
    from pydicom.encaps import generate_frames
    from pydicom.pixels import convert_color_space

    interpretation = photometric(dataset)
    with _pixel_data(path, dataset) as (file, _), tempfile.TemporaryDirectory() as folder:
        single = Path(folder) / "frame.dcm"
        for frame in generate_frames(file, number_of_frames=num_frames):
            _write_single(single, dataset, frame)
            array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(single)))[0]
            if interpretation in ("YBR_FULL", "YBR_FULL_422"):
                array = convert_color_space(array, interpretation, "RGB")
            yield array


def _write_single(file: Path, dataset, frame: bytes) -> None:
    """Write one compressed frame as a file whose header only describes the pixel storage."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID, SecondaryCaptureImageStorage

    layout = _layout(dataset)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = _syntax(dataset)
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    single = FileDataset(str(file), {}, file_meta=meta, preamble=b"\0" * 128)
    single.SOPClassUID, single.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    single.Rows, single.Columns = layout["rows"], layout["columns"]
    single.SamplesPerPixel = layout["samples_per_pixel"]
    single.PhotometricInterpretation = "MONOCHROME2" if single.SamplesPerPixel == 1 else "RGB"
    if single.SamplesPerPixel > 1:
        single.PlanarConfiguration = layout["planar_configuration"]
    single.BitsAllocated, single.BitsStored = layout["bits_allocated"], layout["bits_stored"]
    single.HighBit = single.BitsStored - 1
    single.PixelRepresentation = layout["pixel_representation"]
    single.PixelData = encapsulate([frame])
    single["PixelData"].VR = "OB"
    single.save_as(file, enforce_file_format=True)


def _by_ffmpeg(path: Path, dataset, num_frames: int) -> Iterator[np.ndarray]:
    """Decode MPEG-2, H.264 and HEVC: one stream, split into fragments at any position."""
    import av
    from pydicom.encaps import generate_fragments

    with _pixel_data(path, dataset) as (file, _):
        film = io.BytesIO(b"".join(list(generate_fragments(file))[1:]))
    with av.open(film, mode="r") as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")
