"""Reads DICOM cines and stills as clips: header and colours."""

from itertools import islice
from pathlib import Path

import numpy as np

from lgrseg.data.io.dicom_files import read_header
from lgrseg.data.io.dicom_pixels import count_frames, frames_of, photometric
from lgrseg.data.io.grey_values import Frames, GreyScale, grey_scale
from lgrseg.data.io.lazy_frames import gather
from lgrseg.data.io.rates import dicom_rate
from lgrseg.data.io.spacing import dicom_spacing
from lgrseg.data.io.video import Video

DICOM_META = (
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "PhotometricInterpretation",
    "HeartRate",
    "TransducerType",
)


def read_dicom(path: Path) -> Video:
    """Read a DICOM file as a clip, decoded frame by frame."""
    dataset = read_header(path)
    announced = int(dataset.get("NumberOfFrames") or 1)
    present = count_frames(path, dataset)
    num_frames = announced if present is None else present
    stored = _first(frames_of(path, dataset, num_frames), present)
    video = Video(gather(_as_bytes(stored, dataset, num_frames), num_frames))
    video.spacing_mm = dicom_spacing(dataset, video.notes)
    video.fps = dicom_rate(dataset, video.notes)
    video.meta = {
        name: str(dataset.get(name)) for name in DICOM_META if dataset.get(name) is not None
    }
    if len(video.frames) < announced:
        video.doubt(f"damaged: the file announces {announced} frames and holds {len(video.frames)}")
    elif len(video.frames) > announced:
        video.notes.append(
            f"the file holds {len(video.frames)} frames although it announces {announced}: all "
            "are read"
        )
    return video


def _first(stored: Frames, present: int | None) -> Frames:
    """Leave out what follows the whole frames; None for all.

    Libraries also try the frame that was cut at the end of a file. Then nothing of the clip could
    be read, and CharLS works for seconds on such a frame before it says so.
    """
    return lambda: islice(stored(), present)


def _as_bytes(stored: Frames, dataset, num_frames: int) -> Frames:
    """Convert frames as a viewer does: applies palettes, and inverts MONOCHROME1."""
    interpretation = photometric(dataset)
    if interpretation == "PALETTE COLOR":
        palette = _palette(dataset)
        return lambda: (palette[np.clip(frame, 0, len(palette) - 1)] for frame in stored())
    bits = int(dataset.get("BitsStored") or 8)
    scaled = GreyScale(0, 2**bits - 1) if bits < 8 else grey_scale(stored(), num_frames)
    inverted = interpretation == "MONOCHROME1"
    return lambda: (255 - scaled(frame) if inverted else scaled(frame) for frame in stored())


def _palette(dataset) -> np.ndarray:
    """Colour of every palette index, (N, 3) uint8; palettes have 8 or 16 bits."""
    from pydicom.pixels import apply_color_lut

    bits = int(dataset.get("BitsAllocated") or 8)
    colours = apply_color_lut(np.arange(2**bits, dtype=f"uint{bits}"), dataset)
    # Some machines write 8-bit values into the low byte of a 16-bit palette.
    return (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)
