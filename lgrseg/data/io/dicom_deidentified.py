"""DICOM clips without personal data, to which segmentations and reports can refer.

The header is made anew. Of the original it has numbers that describe the pictures, and nothing
else: what is not named here cannot be forgotten. Patient, study, series and clip get random
identifiers, so two clips of one patient are not recognised as such.
Standard: DICOM PS3.15, Annex E, Basic Application Level Confidentiality Profile
"""

import contextlib
import re
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

from lgrseg.data.io.lazy_frames import LazyFrames
from lgrseg.data.io.video import UnreadableFile

ULTRASOUND = {
    UltrasoundMultiFrameImageStorage: UltrasoundMultiFrameImageStorage,
    UltrasoundImageStorage: UltrasoundImageStorage,
    "1.2.840.10008.5.1.4.1.1.3": UltrasoundMultiFrameImageStorage,  # retired
    "1.2.840.10008.5.1.4.1.1.6": UltrasoundImageStorage,  # retired
}
"""SOP class of a clip -> the one of its copy."""
NUMBERS = ("Rows", "Columns", "PixelSpacing", "HeartRate", "LossyImageCompressionRatio")
"""What is copied if it is a number, or numbers."""
NUMERIC = ("US", "UL", "SS", "SL", "FD", "FL")
"""Types of the items of a region that are copied; they cannot hold text."""
EMPTY = (
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "Manufacturer",
    "Laterality",
    "PatientOrientation",
)
"""What must be there, without a value (type 2)."""
METHOD = "header made anew; pixels outside the {} are black"


def deidentified_header(source: Dataset) -> Dataset:
    """Make the header of a clip without personal data; it has no pixels yet.

    Args:
        source: header of the clip, as `read_header` gives it.

    Raises:
        UnreadableFile: it is not an ultrasound clip.
    """
    kind = source.get("SOPClassUID")
    if kind not in ULTRASOUND:
        name = getattr(kind, "name", None) or "no known class"
        raise UnreadableFile(f"only ultrasound clips are de-identified as DICOM; this is {name}")
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 192"
    has_many = _is_numeric(source, "NumberOfFrames") and int(source.NumberOfFrames) > 1
    header.SOPClassUID = UltrasoundMultiFrameImageStorage if has_many else ULTRASOUND[kind]
    header.SOPInstanceUID = generate_uid()
    header.StudyInstanceUID, header.SeriesInstanceUID = generate_uid(), generate_uid()
    number = secrets.token_hex(6)
    header.PatientName, header.PatientID = f"Deidentified^{number}", f"DEIDENTIFIED-{number}"
    for name in EMPTY:
        setattr(header, name, None)
    header.PatientIdentityRemoved = "YES"
    profile = Dataset()
    profile.CodeValue, profile.CodingSchemeDesignator = "113100", "DCM"
    profile.CodeMeaning = "Basic Application Confidentiality Profile"
    header.DeidentificationMethodCodeSequence = [profile]
    header.LongitudinalTemporalInformationModified = "REMOVED"
    header.Modality, header.SeriesNumber, header.InstanceNumber = "US", 1, 1
    header.ImageType = ["DERIVED", "PRIMARY"]
    for name in NUMBERS:
        if _is_numeric(source, name):
            header[name] = source[name]
    if source.get("LossyImageCompression") == "01":
        header.LossyImageCompression = "01"
        method = str(source.get("LossyImageCompressionMethod") or "")
        if re.fullmatch(r"ISO_\d+_\d+", method):
            header.LossyImageCompressionMethod = method
    if regions := [_numbers_of(item) for item in source.get("SequenceOfUltrasoundRegions") or ()]:
        header.SequenceOfUltrasoundRegions = regions
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return header


def header_of_pixels(header: Path, copy: Path, *, shown: str) -> Path:
    """Copy such a header for certain pixels, and return the copy.

    Patient, study and series stay; the clip has an identifier of its own, as other pixels of the
    same upload may have the same header.

    Args:
        header: file of the header.
        copy: file to write.
        shown: what is not black in the pictures: "fan", or "masks".
    """
    dataset = pydicom.dcmread(header, force=True)
    dataset.SOPInstanceUID = generate_uid()
    dataset.DeidentificationMethod = METHOD.format(shown)
    dataset.save_as(copy, enforce_file_format=False)
    return copy


def write_deidentified(
    path: Path,
    frames: np.ndarray | LazyFrames | Sequence[np.ndarray],
    *,
    header: Path,
    fps: float | None,
) -> None:
    """Write a clip with such a header, not compressed.

    Text within the fan stays, so the clip does not state that there is none.

    Args:
        path: file to write; its folder needs space for the frames twice.
        frames: T frames (H, W) or (H, W, 3) uint8, without text outside the fan.
        header: file of the header.
        fps: frames per second; None if they are not known.
    """
    clip = pydicom.dcmread(header, force=True)
    shape = np.shape(frames[0])
    clip.Rows, clip.Columns = shape[:2]
    clip.SamplesPerPixel = 3 if len(shape) == 3 else 1
    clip.PhotometricInterpretation = "RGB" if len(shape) == 3 else "MONOCHROME2"
    if len(shape) == 3:
        clip.PlanarConfiguration = 0
    clip.BitsAllocated = clip.BitsStored = 8
    clip.HighBit, clip.PixelRepresentation = 7, 0
    clip.BurnedInAnnotation = "YES"
    if clip.SOPClassUID == UltrasoundMultiFrameImageStorage:
        clip.NumberOfFrames = len(frames)
        clip.FrameTime = f"{1000 / fps:.12g}" if fps else "0"
        clip.FrameIncrementPointer = pydicom.datadict.tag_for_keyword("FrameTime")
    with tempfile.TemporaryFile(prefix="lgrseg_clip_", dir=path.parent) as pixels:
        for index in range(len(frames)):
            pixels.write(np.ascontiguousarray(frames[index], np.uint8).data)
        pixels.write(b"\0" * (pixels.tell() % 2))
        pixels.seek(0)
        clip.add_new("PixelData", "OB", pixels)
        clip.save_as(path, enforce_file_format=True)


def _is_numeric(source: Dataset, name: str) -> bool:
    """True if an item is there, and is one number or several."""
    try:
        value = source.get(name)
        return value not in (None, "", []) and bool(np.isfinite(np.asarray(value, float)).all())
    except (TypeError, ValueError):
        return False


def _numbers_of(item: Dataset) -> Dataset:
    """The numbers of a region, without text and private items."""
    copy = Dataset()
    for tag in item.keys():
        with contextlib.suppress(TypeError, ValueError):  # an item that is damaged
            element = item[tag]
            if element.VR in NUMERIC and not element.tag.is_private:
                copy[tag] = element
    return copy
