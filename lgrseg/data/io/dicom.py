"""DICOM cines and stills: pixels, spacing, rate."""

from pathlib import Path

import numpy as np

from lgrseg.data.io.grey_values import one_channel_if_grey, to_uint8
from lgrseg.data.io.video import UnreadableFile, Video

DICOM_META = (
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "PhotometricInterpretation",
    "HeartRate",
    "TransducerType",
)


def read_dicom(path: Path) -> Video:
    """A DICOM file as a clip."""
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
    return Video(
        one_channel_if_grey(to_uint8(frames)), spacing, _dicom_rate(dataset), meta=meta, notes=notes
    )


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
