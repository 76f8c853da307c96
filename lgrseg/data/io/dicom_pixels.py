"""The frames of a DICOM file, one after the other, by whichever library decodes them.

pydicom decodes what it can; SimpleITK (by GDCM) knows JPEG-LS and lossless JPEG too. It is given
each frame as a file of its own that says nothing but how the pixels are stored: what it makes of
palettes, of MONOCHROME1 and of a missing NumberOfFrames differs from one compression to the next.
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
"""First bytes of a frame in JPEG and JPEG-LS, in a JPEG 2000 stream, in a JP2 file."""
FILMS = ("MPEG", "HEVC")
"""How the names of transfer syntaxes begin that hold one film, not pictures."""
ITEM = b"\xfe\xff\x00\xe0"
"""What compressed pixel data begins with: its first fragment, the table of offsets."""


def count_frames(path: Path, dataset) -> int | None:
    """How many whole frames the pixel data holds, whatever NumberOfFrames says.

    Args:
        path: the file.
        dataset: its header.

    Returns:
        None for compressions in which frames have no beginning of their own (films).

    Raises:
        UnreadableFile: not even one.
    """
    with _pixel_data(path, dataset) as (file, length):
        start = file.tell()
        compressed = file.read(4) == ITEM
        file.seek(start)
        if compressed != _syntax(dataset).is_encapsulated:
            raise UnreadableFile(
                f"{path.name} holds {'' if compressed else 'un'}compressed pixels, but its "
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
    """The frames as stored, but RGB where they were YBR: by the first library that can.

    Args:
        path: the file.
        dataset: its header.
        num_frames: how many the pixel data holds.

    Raises:
        UnreadableFile: no library decodes the first frame.
    """
    decoders: tuple[Callable, ...] = (_by_pydicom, _by_simpleitk)
    if _syntax(dataset).name.startswith(FILMS):
        decoders = (_by_ffmpeg,)
    reasons = []
    for decode in decoders:
        try:
            next(iter(decode(path, dataset, num_frames)))
            return partial(decode, path, dataset, num_frames)
        except Exception as error:  # every library has its own
            reasons.append(one_line(error))
    raise UnreadableFile(
        f"{path.name} is compressed as {_syntax(dataset).name}, which nothing here decodes, or it "
        "is damaged; pip install 'lgrseg[jpeg]' adds pylibjpeg (its libjpeg part is GPL): "
        f"{'; '.join(reasons)}"
    )


def _syntax(dataset):
    return dataset.file_meta.TransferSyntaxUID


def _layout(dataset) -> dict:
    """How pixels are stored; what a header leaves out is as in most files."""
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
    """PhotometricInterpretation, or what it most likely is."""
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
    """The open file where the value of PixelData begins, and the length that it announces."""
    import pydicom
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    if _syntax(dataset) == DeflatedExplicitVRLittleEndian:
        pixels = pydicom.dcmread(path, force=True).PixelData
        yield io.BytesIO(pixels), len(pixels)
        return
    with path.open("rb") as file:
        pydicom.dcmread(file, stop_before_pixels=True, force=True)
        head = file.read(8)
        if head[4:6] in (b"OB", b"OW", b"OF", b"OD", b"UN"):  # else the length is there at once
            head += file.read(4)
        if len(head) not in (8, 12):
            raise UnreadableFile(f"{path.name} has a header but no pixel data: it was cut short")
        _, little = dataset.original_encoding
        yield file, unpack("<L" if little else ">L", head[-4:])[0]


def _count_pictures(file: io.BufferedIOBase, dataset) -> int | None:
    """Fragments that begin a picture, up to the first one that is cut short."""
    starts = list(_fragments(file))[1:]  # the first is the table of offsets
    if "RLE" in _syntax(dataset).name:
        return len(starts)
    pictures = sum(start.startswith(PICTURE_STARTS) for start in starts)
    return pictures or (None if any(starts) else 0)


def _fragments(file: io.BufferedIOBase) -> Iterator[bytes]:
    """The first bytes of every fragment that is whole; little-endian, as compressed files are."""
    place = file.tell()
    end = file.seek(0, 2)
    file.seek(place)
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
    """One compressed frame as a file that says only how its pixels are stored."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import SecondaryCaptureImageStorage

    layout = _layout(dataset)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = _syntax(dataset)
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
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
    """MPEG-2, H.264 and HEVC: one film, cut into fragments anywhere."""
    import av
    from pydicom.encaps import generate_fragments

    with _pixel_data(path, dataset) as (file, _):
        film = io.BytesIO(b"".join(list(generate_fragments(file))[1:]))
    with av.open(film) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")
