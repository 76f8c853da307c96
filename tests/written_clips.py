"""Clips of random layout in every format that is read, with what must be read from each.

Each writer takes a folder and a random generator and gives the path, the frames (T, H, W) or
(T, H, W, 3) as bytes, and by how much a frame may differ in the mean. All is valid, or lies in a
way that has a right answer: a missing NumberOfFrames, a spacing of 0, a turned film.
"""

import random
from fractions import Fraction
from pathlib import Path

import av
import nibabel
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import convert_color_space
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

Written = tuple[Path, np.ndarray, float]
DICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def pictures(rng: random.Random, *, even: bool = False) -> np.ndarray:
    """(T, H, W) smooth, each frame brighter than the last, from 0 to 255."""
    num_frames, height, width = rng.randint(1, 9), rng.randint(16, 50), rng.randint(16, 50)
    if even:
        height, width = height // 2 * 2, width // 2 * 2
    t, y, x = np.mgrid[:num_frames, :height, :width]
    values = t * 12 + y * rng.choice((1, 2)) + x * rng.choice((1, 3))
    return np.rint(values * (255 / values.max())).astype(np.uint8)


def coloured(frames: np.ndarray) -> np.ndarray:
    """RGB of which the three channels differ."""
    return np.stack([frames, frames // 2, 255 - frames], axis=-1)


def stretched(values: np.ndarray) -> np.ndarray:
    """The least as 0, the greatest as 255."""
    low, high = float(values.min()), float(values.max())
    return np.rint((values - low) / max(high - low, 1e-9) * 255).astype(np.uint8)


def dicom(folder: Path, rng: random.Random) -> Written:
    """Any syntax that can be written here, photometric interpretation, depth and header."""
    frames = pictures(rng)
    interpretation = rng.choice(("MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "PALETTE COLOR"))
    syntaxes = [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
    ]
    if interpretation not in ("RGB", "YBR_FULL"):
        syntaxes.append(JPEGLSLossless)
    syntax = rng.choice(syntaxes)
    stored, right, tolerance = frames, frames, 1.0
    if interpretation in ("RGB", "YBR_FULL"):
        stored = right = coloured(frames)
        if interpretation == "YBR_FULL":
            stored, tolerance = convert_color_space(right, "RGB", "YBR_FULL"), 4.0
    elif interpretation == "PALETTE COLOR":
        right = coloured(frames)
    elif rng.random() < 0.5:
        kind = rng.choice((np.uint16, np.int16))
        stored = frames.astype(kind) * 16 - (2000 if kind == np.int16 else 0)
        right = stretched(stored)
    if interpretation == "MONOCHROME1":
        right = 255 - right
    path = folder / rng.choice(("clip.dcm", "IM0001", "1.2.840.7"))
    _dicom_file(path, stored, interpretation, syntax, rng)
    return path, right, tolerance


def _dicom_file(path, stored, interpretation, syntax, rng) -> None:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
    dataset = FileDataset(
        str(path),
        {},
        file_meta=meta,
        preamble=b"\0" * 128,
        is_implicit_VR=syntax == ImplicitVRLittleEndian,
        is_little_endian=syntax != ExplicitVRBigEndian,
    )
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.3.1", "1.2.3"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = stored.shape[:3]
    dataset.SamplesPerPixel = 3 if stored.ndim == 4 else 1
    dataset.PhotometricInterpretation = interpretation
    if stored.ndim == 4:
        dataset.PlanarConfiguration = 0
    bits = 8 * stored.itemsize
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, int(stored.dtype.kind == "i")
    if interpretation == "PALETTE COLOR":
        table = coloured(np.arange(256, dtype=np.uint8)).astype(np.uint16) << 8
        for number, colour in enumerate(("Red", "Green", "Blue")):
            order = ">u2" if syntax == ExplicitVRBigEndian else "<u2"
            setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
            entries = table[:, number].astype(order).tobytes()
            setattr(dataset, f"{colour}PaletteColorLookupTableData", entries)
    if syntax == JPEGLSLossless:
        dataset.PixelData = encapsulate([jpeg_ls(frame) for frame in stored], has_bot=False)
    else:
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        pixels = stored.astype(stored.dtype.newbyteorder(order)).tobytes()
        dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OW" if bits == 16 else "OB"
    if syntax == RLELossless:
        dataset.compress(RLELossless, generate_instance_uid=False)
    _dicom_lies(dataset, rng)
    dataset.save_as(path)


def _dicom_lies(dataset, rng: random.Random) -> None:
    """Items that say what cannot be, none of which keeps a clip from being read."""
    if rng.random() < 0.3:
        dataset.NumberOfFrames = rng.choice((1, 2, 30))
    elif rng.random() < 0.2:
        del dataset.NumberOfFrames
    if rng.random() < 0.5:
        dataset.FrameTime = rng.choice(("40", "0", "-3", "1e-310", "0.033"))
    if rng.random() < 0.5:
        dataset.PixelSpacing = rng.choice(([0.3, 0.3], [0, 0], [-1, 2], [1e9, 1e9]))
    if rng.random() < 0.3:
        region = Dataset()
        region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
        region.PhysicalDeltaX = region.PhysicalDeltaY = rng.choice((0.0, 0.03, float("nan"), 1e9))
        region.RegionLocationMinX0 = region.RegionLocationMinY0 = rng.choice((0, 5))
        region.RegionLocationMaxX1 = region.RegionLocationMaxY1 = rng.choice((10, 1000, 0))
        dataset.SequenceOfUltrasoundRegions = [region]


def jpeg_ls(picture: np.ndarray) -> bytes:
    """One frame of 8 or 16 bits, compressed by FFmpeg."""
    kind = {1: "gray", 2: "gray16le"}[picture.itemsize]
    coder = av.CodecContext.create("jpegls", "w")
    coder.height, coder.width = picture.shape
    coder.pix_fmt, coder.time_base = kind, Fraction(1, 25)
    picture = picture.view(f"u{picture.itemsize}")
    frame = av.VideoFrame.from_ndarray(picture, format=kind)
    return b"".join(bytes(packet) for packet in (*coder.encode(frame), *coder.encode()))


def movie(folder: Path, rng: random.Random) -> Written:
    """Any of PyAV's usual coders and containers, turned or not."""
    codec, pixels, suffixes = rng.choice(
        (
            ("libx264", "yuv420p", ("mp4", "mov", "mkv", "m4v")),
            ("libx264", "yuv444p", ("mp4", "mkv")),
            ("mpeg4", "yuv420p", ("mp4", "mov", "avi", "mkv")),
            ("mjpeg", "yuvj420p", ("avi", "mkv", "mov")),
            ("ffv1", "yuv420p", ("mkv", "avi")),
            ("png", "rgb24", ("mov", "avi")),
        )
    )
    frames, suffix = pictures(rng, even=True), rng.choice(suffixes)
    rotation = rng.choice((0, 0, 90, 180, -90)) if suffix in ("mp4", "mov", "m4v") else 0
    path = folder / f"clip.{suffix}"
    with av.open(str(path), "w") as container:
        height, width = frames.shape[1:]
        stream = container.add_stream(
            codec, rate=rng.choice((10, 25, 50)), width=width, height=height, pix_fmt=pixels
        )
        if rotation:
            stream.set_display_rotation(rotation)
        for frame in np.repeat(frames[..., None], 3, axis=-1):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path, np.rot90(frames, rotation // 90, axes=(1, 2)), 12.0


def nifti(folder: Path, rng: random.Random) -> Written:
    """Any number type, unit and version, and time on any axis after y."""
    frames = pictures(rng)
    kind = rng.choice((np.uint8, np.int8, np.int16, np.uint16, np.int32, np.float32, np.float64))
    stored, right = frames.astype(kind), frames
    if kind == np.int8:
        stored = (frames.astype(int) - 128).astype(kind)
        right = stretched(stored)
    elif kind in (np.float32, np.float64):
        stored = frames.astype(kind) * rng.choice((1 / 255, 0.01, 40))
        right = stretched(stored)
    array = stored.transpose(2, 1, 0)
    axes = rng.choice(("xyt", "xy1t", "xyt1", "xy11t", "xytc", "xyt1c", "rgb24"))
    if axes[-1] == "c" or axes == "rgb24":
        right = coloured(frames)
        array = right.transpose(2, 1, 0, 3)
        if axes == "rgb24":
            array = np.ascontiguousarray(array).view([(name, "u1") for name in "RGB"])[..., 0]
        elif axes == "xyt1c":
            array = array[:, :, :, None]
        elif len(frames) == 1:  # (x, y, 1, 3) is three frames
            right = np.moveaxis(right[0], -1, 0)
    elif axes != "xyt":
        at = {"xy1t": 2, "xyt1": 3, "xy11t": (2, 3)}[axes]
        array = np.expand_dims(array, at)
        if axes == "xy11t" and len(frames) == 3:  # NIfTI's axis of vectors: one picture of RGB
            right = np.moveaxis(right, 0, -1)[None]
    make = rng.choice((nibabel.Nifti1Image, nibabel.Nifti2Image))
    image = make(array, np.diag([rng.choice((0.3, 1e-7, 5e5)), 0.3, 1, 1]), dtype=array.dtype)
    image.header.set_xyzt_units(rng.choice(("mm", "meter", "micron", "unknown")))
    path = folder / rng.choice(("clip.nii", "clip.nii.gz"))
    nibabel.save(image, path)
    return path, right, 1.0


def metaimage(folder: Path, rng: random.Random) -> Written:
    """MetaImages of three and four axes, packed or not, with any spacing."""
    import SimpleITK

    frames = pictures(rng)
    array = frames[:, None] if rng.random() < 0.4 else frames
    path = folder / rng.choice(("clip.mha", "clip.mhd"))
    image = SimpleITK.GetImageFromArray(array, isVector=False)
    if rng.random() < 0.3:
        image, frames = SimpleITK.GetImageFromArray(coloured(frames), True), coloured(frames)
    SimpleITK.WriteImage(image, str(path), rng.random() < 0.5)
    content = path.read_bytes()
    sizes = rng.choice((b"0 0 0 0", b"nan 1 1 1", b"-1 1 1 1", b"0.3 0.3 1 1", b"1e99 1 1 1"))
    lines = content.split(b"\n", 15)
    changed = [
        b"ElementSpacing = " + sizes if line.startswith(b"ElementSpacing") else line
        for line in lines
    ]
    path.write_bytes(b"\n".join(changed))
    return path, frames, 1.0


WRITERS = {"dicom": dicom, "movie": movie, "nifti": nifti, "metaimage": metaimage}
