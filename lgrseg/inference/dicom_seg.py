"""Writes the masks of a DICOM clip as a DICOM segmentation (SEG), which a PACS can store.

Every class is a segment, and every segment has one frame of one bit per pixel for each frame of the
clip: first all frames of segment 1, then those of segment 2, and so on. The file belongs to the
study of the clip and is a series of its own. Each of its frames states its frame of the clip.
Ultrasound has no position in the patient, so there is none in the file, and no spacing.
Format: DICOM PS3.3, A.51 and C.8.20
"""

import hashlib
import tempfile
from collections.abc import Sequence
from io import BufferedIOBase
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage, generate_uid

import lgrseg
from lgrseg.checkpoint.whole_files import appears_whole
from lgrseg.data.catalog import Metadata
from lgrseg.inference.dicom_source import (
    ALGORITHM,
    copy_patient_and_study,
    moment_of,
    read_source,
    reference_to,
)
from lgrseg.inference.structure_codes import code_item, property_of

SERIES_NUMBER = 9001
"""After the numbers of the scanner's own series."""
MOST_BYTES = 2**32 - 2
"""Longest value of an item that is not compressed."""


def write_dicom_seg(
    path: Path,
    masks: Sequence[np.ndarray] | np.ndarray,
    *,
    clip: Path,
    metadata: Metadata,
    made_by: str,
) -> None:
    """Write the masks of a clip; the file appears only when it is complete.

    The same masks of the same clip with the same `made_by` always give the same bytes. So the
    content has the date of the clip, and the identifiers are hashes.

    Args:
        path: file to write.
        masks: (T, H, W) uint8, 0 background, k + 1 for class k.
        clip: DICOM file of the clip.
        metadata: classes of the masks, and their roles.
        made_by: hash of weights, settings and clip (`mark_of`).

    Raises:
        ValueError: the clip is not DICOM, lacks its identifiers, has another size than the masks,
            or is too long for one file.
    """
    source = read_source(clip)
    height, width = int(source.Rows), int(source.Columns)
    size = tuple(np.shape(masks[0]))
    if size != (height, width):
        raise ValueError(f"the masks have size {size}, {clip.name} has {(height, width)}")
    frames, segments = len(masks), len(metadata.classes)
    num_bytes = -(-frames * segments * height * width // 8)
    if num_bytes > MOST_BYTES:
        raise ValueError(
            f"{clip.name} is too long for one DICOM segmentation: {frames} frames of {segments} "
            f"classes need {num_bytes} bytes, and {MOST_BYTES} are allowed. Use the NIfTI masks"
        )
    with tempfile.TemporaryFile(prefix="lgrseg_seg_") as bits:
        digest = _pack(masks, segments, bits)
        parts = [str(source.SOPInstanceUID), made_by, lgrseg.__version__, digest]
        dataset = _header(source, parts)
        dataset.NumberOfFrames = frames * segments
        dataset.SegmentSequence = [
            _segment(number, name, metadata, made_by)
            for number, name in enumerate(metadata.classes, start=1)
        ]
        dataset.PerFrameFunctionalGroupsSequence = [
            _place(segment, frame, source, is_still=frames == 1)
            for segment in range(1, segments + 1)
            for frame in range(1, frames + 1)
        ]
        bits.seek(0)
        dataset.add_new("PixelData", "OB", bits)
        with appears_whole(path) as half_done:
            dataset.save_as(half_done, enforce_file_format=True)


def made_by_of(path: Path) -> str | None:
    """Read the `made_by` of a segmentation; None if this module did not write the file."""
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        algorithm = header.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
        return str(algorithm.AlgorithmParameters) if algorithm.AlgorithmName == ALGORITHM else None
    except Exception:  # no such file, another kind of file, or a damaged one
        return None


def _pack(masks: Sequence[np.ndarray] | np.ndarray, segments: int, file: BufferedIOBase) -> str:
    """Write one bit per pixel without gaps between frames, an even number of bytes; their hash."""
    digest, rest = hashlib.sha256(), np.zeros(0, bool)
    for value in range(1, segments + 1):
        for labels in masks:
            bits = np.concatenate([rest, np.ravel(labels == value)])
            whole = len(bits) // 8 * 8
            packed, rest = np.packbits(bits[:whole], bitorder="little").tobytes(), bits[whole:]
            file.write(packed)
            digest.update(packed)
    last = np.packbits(rest, bitorder="little").tobytes()
    file.write(last + b"\0" * ((file.tell() + len(last)) % 2))
    digest.update(last)
    return digest.hexdigest()


def _header(source: Dataset, parts: list[str]) -> Dataset:
    """Everything but segments, frames and pixels; `parts` decide the identifiers."""
    dataset = Dataset()
    copy_patient_and_study(source, dataset)
    dataset.PatientOrientation = None
    dataset.SOPClassUID = SegmentationStorage
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["instance", *parts])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["series", *parts])
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "SEG", SERIES_NUMBER, 1
    dataset.SeriesDescription = "Segmentation by lgrseg, for research"
    dataset.Manufacturer = dataset.ManufacturerModelName = ALGORITHM
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = "none", lgrseg.__version__
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.ContentDate, dataset.ContentTime = moment_of(source)
    dataset.ContentLabel, dataset.ContentDescription = "SEGMENTATION", "Segmentation of a clip"
    dataset.ContentCreatorName = None
    dataset.Rows, dataset.Columns = source.Rows, source.Columns
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = dataset.PixelRepresentation = 0
    dataset.SegmentationType = "BINARY"
    _copy_loss(source, dataset)
    _describe_dimensions(dataset, generate_uid(entropy_srcs=["dimensions", *parts]))
    series = Dataset()
    series.SeriesInstanceUID = source.SeriesInstanceUID
    series.ReferencedInstanceSequence = [reference_to(source)]
    dataset.ReferencedSeriesSequence = [series]
    dataset.SharedFunctionalGroupsSequence = [Dataset()]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _copy_loss(source: Dataset, dataset: Dataset) -> None:
    """State lossy compression of the clip, which its segmentation inherits."""
    dataset.LossyImageCompression = source.get("LossyImageCompression") or "00"
    for name in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        if name in source:
            dataset[name] = source[name]


def _describe_dimensions(dataset: Dataset, uid: str) -> None:
    """State that frames are ordered by segment, then by time."""
    organization = Dataset()
    organization.DimensionOrganizationUID = uid
    dataset.DimensionOrganizationSequence = [organization]
    dataset.DimensionIndexSequence = []
    for keyword, group in (
        ("ReferencedSegmentNumber", "SegmentIdentificationSequence"),
        ("TemporalPositionIndex", "FrameContentSequence"),
    ):
        index = Dataset()
        index.DimensionOrganizationUID = uid
        index.DimensionIndexPointer = pydicom.datadict.tag_for_keyword(keyword)
        index.FunctionalGroupPointer = pydicom.datadict.tag_for_keyword(group)
        index.DimensionDescriptionLabel = keyword
        dataset.DimensionIndexSequence.append(index)


def _segment(number: int, name: str, metadata: Metadata, made_by: str) -> Dataset:
    """What a segment is, and what made it."""
    algorithm = Dataset()
    algorithm.AlgorithmFamilyCodeSequence = [code_item(codes.DCM.ArtificialIntelligence)]
    algorithm.AlgorithmName, algorithm.AlgorithmVersion = ALGORITHM, lgrseg.__version__
    algorithm.AlgorithmParameters = made_by
    category, kind = property_of(name, metadata)
    segment = Dataset()
    segment.SegmentNumber, segment.SegmentLabel = number, name
    segment.SegmentedPropertyCategoryCodeSequence = [code_item(category)]
    segment.SegmentedPropertyTypeCodeSequence = [code_item(kind)]
    segment.SegmentAlgorithmType, segment.SegmentAlgorithmName = "AUTOMATIC", ALGORITHM
    segment.SegmentationAlgorithmIdentificationSequence = [algorithm]
    return segment


def _place(segment: int, frame: int, source: Dataset, *, is_still: bool) -> Dataset:
    """The segment of a frame of the file, and its frame of the clip; both counted from 1."""
    image = reference_to(source)
    if not is_still:  # the number is forbidden for classes of single frames
        image.ReferencedFrameNumber = frame
    image.PurposeOfReferenceCodeSequence = [
        code_item(codes.DCM.SourceImageForImageProcessingOperation)
    ]
    image.SpatialLocationsPreserved = "YES"
    derivation, content, identification = Dataset(), Dataset(), Dataset()
    derivation.DerivationCodeSequence = [code_item(codes.DCM.SegmentationImageDerivation)]
    derivation.SourceImageSequence = [image]
    content.DimensionIndexValues = [segment, frame]
    content.TemporalPositionIndex = frame
    identification.ReferencedSegmentNumber = segment
    place = Dataset()
    place.DerivationImageSequence = [derivation]
    place.FrameContentSequence = [content]
    place.SegmentIdentificationSequence = [identification]
    return place
