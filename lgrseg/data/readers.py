"""Reading a clip of any usual file format: `read_video(path)`.

| file | axes in the file | spacing and rate from |
|---|---|---|
| .nii, .nii.gz | (x, y, t) | header zooms |
| .mhd, .mha | (t, y, x) as SimpleITK gives it | header |
| .mp4, .avi, .mov, .mkv | frames | rate of the stream; no spacing |
| .dcm | frames | PixelSpacing or SequenceOfUltrasoundRegions; FrameTime(Vector), CineRate |
| folder of .png, .jpg | files in natural order | nothing |
"""

import gzip
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lgrseg.data.lazy_frames import LazyFrames, MovieFrames, lazy_images

WHOLE_BYTES = 2**30
"""A movie or folder that is larger as RGB is read frame by frame, when frames are asked for."""
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
MOVIES = (".mp4", ".avi", ".mov", ".mkv", ".m4v")
DICOM_META = (
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "PhotometricInterpretation",
    "HeartRate",
    "TransducerType",
)
METAIMAGES = (".mhd", ".mha")


class UnreadableFile(ValueError):
    """A file that cannot be read as a clip; the message names it, and says why."""


@dataclass
class Video:
    """A clip as its file holds it."""

    frames: np.ndarray | LazyFrames
    """(T, H, W) uint8, or (T, H, W, 3) RGB where the file has colour; lazy where they would take
    more than WHOLE_BYTES."""
    spacing_mm: tuple[float, float] | None = None
    """(row, column); None where the file does not say."""
    fps: float | None = None
    affine: np.ndarray | None = None
    """(4, 4) of a NIfTI file, so that masks can be written with the same one."""
    meta: dict[str, str] = field(default_factory=dict)
    """What else the file says of itself: machine and coding, nothing that names a person."""
    notes: list[str] = field(default_factory=list)
    """What a user should know: no spacing, colour Doppler, an uneven rate, damage."""


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
    if _looks_like_doppler(video.frames):
        video.notes.append("looks like colour Doppler; models here are for grey (B-mode) pictures")
    return video


def _read(path: Path) -> Video:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    name = path.name.lower()
    try:
        if path.is_dir():
            return _read_folder(path)
        if name.endswith((".nii", ".nii.gz")):
            return _read_nifti_video(path)
        if name.endswith(METAIMAGES):
            return _read_metaimage(path)
        if name.endswith(MOVIES):
            return _read_movie(path)
        if name.endswith(".dcm"):
            return _read_dicom(path)
    except UnreadableFile:
        raise
    except Exception as error:  # every library has its own; the user needs one sentence
        raise UnreadableFile(f"{path.name} cannot be read: {error}") from error
    raise UnreadableFile(
        f"{path.name}: known are .nii, .nii.gz, .mhd, .mha, .dcm, {', '.join(MOVIES)} and folders "
        f"of {', '.join(IMAGES)}"
    )


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


def to_uint8(frames: np.ndarray) -> np.ndarray:
    """Any kind of numbers to 0..255.

    uint8 is kept. Numbers that lie within 0..255, some above 1, are rounded. All else is stretched:
    the least of the clip becomes 0, the greatest 255. What is not finite counts as 0.
    """
    if frames.dtype == np.uint8:
        return frames
    if np.issubdtype(frames.dtype, np.inexact):
        frames = np.nan_to_num(frames, nan=0, posinf=0, neginf=0)
    if frames.min() >= 0 and 1 < frames.max() <= 255:
        return np.rint(frames).astype(np.uint8)
    low, high = float(frames.min()), float(frames.max())
    return ((frames - low) * (255 / max(high - low, 1e-12))).round().astype(np.uint8)


def _read_nifti_video(path: Path) -> Video:
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
    return Video(_grey(to_uint8(frames)), spacing, affine=nibabel.load(path).affine)


def _read_metaimage(path: Path) -> Video:
    import SimpleITK

    image = SimpleITK.ReadImage(str(path))
    frames = SimpleITK.GetArrayFromImage(image)
    if image.GetDimension() == 2:
        frames = frames[None]
    column, row = image.GetSpacing()[:2]
    return Video(_grey(to_uint8(frames)), (float(row), float(column)))


def _read_movie(path: Path) -> Video:
    import av

    with av.open(str(path)) as container:
        if not container.streams.video:
            raise UnreadableFile(f"{path.name} holds no picture, only sound or text")
        stream = container.streams.video[0]
        times = [packet.pts for packet in container.demux(stream) if packet.size]
        size, rate, announced = (stream.height, stream.width), stream.average_rate, stream.frames
        step, codec = float(stream.time_base or 0), stream.codec_context.name
    if not times:
        raise UnreadableFile(f"{path.name} holds no frame")
    notes = _uneven(times, step)
    if len(times) * size[0] * size[1] * 3 <= WHOLE_BYTES:
        frames, damage = _decode_all(path, announced)
        notes += damage
    else:
        frames = _decode_lazily(path, len(times))
    rate = float(rate) if rate else None
    return Video(frames, fps=rate, meta={"codec": codec}, notes=notes)


def _decode_all(path: Path, announced: int) -> tuple[np.ndarray, list[str]]:
    import av

    frames, num_corrupt = [], 0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            num_corrupt += frame.is_corrupt
            frames.append(frame.to_ndarray(format="rgb24"))
    if not frames:
        raise UnreadableFile(f"{path.name} holds no frame")
    notes = []
    if len(frames) < announced or num_corrupt:
        notes.append(
            f"damaged: {len(frames)} of the {announced} frames that it announces could be decoded, "
            f"{num_corrupt} of them with errors"
        )
    return _grey(np.stack(frames)), notes


def _decode_lazily(path: Path, num_packets: int) -> LazyFrames:
    reader = MovieFrames(path, pixel_format="rgb24")
    first = _grey(np.stack([reader(index) for index in range(min(num_packets, 24))]))
    pixel_format = "gray" if first.ndim == 3 else "rgb24"
    frames = MovieFrames(path, pixel_format=pixel_format)
    return LazyFrames(frames, (num_packets, *first.shape[1:]))


def _uneven(times: list[int | None], step: float) -> list[str]:
    """A note where the time between frames varies; the tail of a stream is left out."""
    known = np.sort([time for time in times if time is not None])
    gaps = np.diff(known)[:-1] * step * 1000
    if len(gaps) and gaps.max() > 1.5 * max(gaps.min(), 1e-9) + 1:
        return [
            f"the frame rate varies: {gaps.min():.0f} to {gaps.max():.0f} ms between frames, which "
            "are taken one after the other"
        ]
    return []


def _read_dicom(path: Path) -> Video:
    import pydicom

    dataset = pydicom.dcmread(path)
    frames = _dicom_pixels(dataset, path)
    coloured = dataset.get("SamplesPerPixel", 1) == 3
    if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        frames, coloured = _dicom_colours(frames, dataset), True
    if frames.ndim == (3 if coloured else 2):
        frames = frames[None]
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        frames = frames.max() - frames
    spacing = _dicom_spacing(dataset)
    notes = [] if spacing else ["the file gives no spacing: sizes are in pixels"]
    if len(steps := _dicom_steps(dataset)) and steps.max() > 1.5 * max(steps.min(), 1e-9):
        notes.append(f"the frame rate varies: {steps.min():.0f} to {steps.max():.0f} ms")
    meta = {name: str(dataset.get(name)) for name in DICOM_META if dataset.get(name) is not None}
    return Video(_grey(to_uint8(frames)), spacing, _dicom_rate(dataset), meta=meta, notes=notes)


def _dicom_pixels(dataset, path: Path) -> np.ndarray:
    try:
        return dataset.pixel_array  # pydicom 3 turns YBR into RGB by itself
    except RuntimeError as error:  # no decoder for this compression; SimpleITK brings others
        import SimpleITK

        try:
            pixels = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
        except RuntimeError:
            syntax = getattr(dataset.file_meta, "TransferSyntaxUID", None)
            raise UnreadableFile(
                f"{path.name} is compressed as {getattr(syntax, 'name', syntax)}, which nothing "
                "here decodes, or it is damaged; pip install 'lgrseg[jpeg]' adds pylibjpeg (its "
                f"libjpeg part is GPL): {str(error).splitlines()[0]}"
            ) from error
        frames = int(dataset.get("NumberOfFrames", 1))
        return pixels if frames > 1 else pixels[0]


def _dicom_colours(indices: np.ndarray, dataset) -> np.ndarray:
    """Indices into the file's palette to RGB, (..., 3) uint8; palettes have 8 or 16 bits."""
    from pydicom.pixels import apply_color_lut

    colours = apply_color_lut(indices, dataset)
    # Some machines write 8-bit values into the low byte of a 16-bit palette.
    return (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)


def _dicom_spacing(dataset) -> tuple[float, float] | None:
    if dataset.get("PixelSpacing"):
        row, column = dataset.PixelSpacing
        return float(row), float(column)
    for region in dataset.get("SequenceOfUltrasoundRegions") or ():
        if (
            region.get("PhysicalUnitsXDirection") == 3
            and region.get("PhysicalUnitsYDirection") == 3
        ):
            # Unit 3 is centimetres per pixel.
            return abs(region.PhysicalDeltaY) * 10, abs(region.PhysicalDeltaX) * 10
    return None


def _dicom_steps(dataset) -> np.ndarray:
    return np.atleast_1d(np.asarray(dataset.get("FrameTimeVector") or [], float))[1:]


def _dicom_rate(dataset) -> float | None:
    if dataset.get("FrameTime"):
        return 1000 / float(dataset.FrameTime)
    steps = _dicom_steps(dataset)
    if len(steps) and np.median(steps) > 0:  # milliseconds since the frame before; the first is 0
        return 1000 / float(np.median(steps))
    rate = dataset.get("CineRate") or dataset.get("RecommendedDisplayFrameRate")
    return float(rate) if rate else None


def _read_folder(path: Path) -> Video:
    files = image_files(path)
    if not files:
        raise UnreadableFile(f"{path.name} holds no image ({', '.join(IMAGES)})")
    first = _read_image(files[0])
    if len(files) * first.size > WHOLE_BYTES:
        return Video(lazy_images(files, _read_image))
    frames = [_read_image(file) for file in files]
    if len({frame.shape for frame in frames}) > 1:
        raise UnreadableFile(f"the images of {path.name} differ in size")
    return Video(_grey(np.stack(frames)))


def _read_image(file: Path) -> np.ndarray:
    import cv2

    image = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if image is None:
        raise UnreadableFile(f"{file.parent.name}/{file.name} is no image")
    return image[..., ::-1]


def image_files(folder: Path) -> list[Path]:
    """The images of a folder in natural order, but hidden ones (macOS leaves ._a.png by a.png)."""
    found = [p for p in folder.iterdir() if p.suffix.lower() in IMAGES and p.name[0] != "."]
    return sorted(found, key=_natural)


def _natural(path: Path) -> list:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]


def _looks_like_doppler(frames) -> bool:
    """Whether more than half a per cent of some frame is strongly coloured."""
    if frames.ndim != 4:
        return False
    picked = np.unique(np.linspace(0, min(len(frames), 300) - 1, 6).astype(int))
    return any((np.ptp(frames[index].astype(int), axis=-1) > 70).mean() > 0.005 for index in picked)


def _grey(frames: np.ndarray) -> np.ndarray:
    """One channel where all three are equal."""
    if frames.ndim == 4 and (frames == frames[..., :1]).all():
        frames = frames[..., 0]
    return np.ascontiguousarray(frames)
