"""The DICOM clip that a segmentation or report belongs to: its patient, study and identifiers."""

from pathlib import Path

from pydicom.dataset import Dataset

from lgrseg.data.io.dicom_files import is_dicom, read_header

ALGORITHM = "lgrseg"
REFERRED_TO = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
"""What the header of a clip must have."""
OF_PATIENT_AND_STUDY = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""What is copied from the clip."""
NEVER_MISSING = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""What is there without a value if it is not known (type 2)."""
MOMENTS = ("Content", "Acquisition", "Series", "Study")
"""Beginnings of the names of dates and times of a clip, the best first."""


def read_source(clip: Path | None) -> Dataset:
    """Read the header of a clip, to which a segmentation or report can refer.

    Args:
        clip: path of the clip; None for an array.

    Raises:
        ValueError: it is not a DICOM file, or it lacks its own identifiers.
    """
    if clip is None or not clip.is_file() or not is_dicom(clip):
        what = "an array" if clip is None else f"{clip.name} is not a DICOM file, and"
        raise ValueError(
            f"{what} cannot have a DICOM segmentation or report, which refers to a DICOM image: "
            "leave out --dicom-seg and --dicom-sr (in Python, dicom_seg and dicom_sr) for this clip"
        )
    header = read_header(clip)
    missing = [name for name in REFERRED_TO if not header.get(name)]
    if missing:
        raise ValueError(
            f"{clip.name} has no {', '.join(missing)}, so a DICOM segmentation or report cannot "
            "refer to it: export the clip again with its identifiers, or leave out --dicom-seg and "
            "--dicom-sr (in Python, dicom_seg and dicom_sr)"
        )
    return header


def copy_patient_and_study(source: Dataset, dataset: Dataset) -> None:
    """Give a new object the patient and study of a clip, in UTF-8."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for name in OF_PATIENT_AND_STUDY:
        if name in source:
            dataset[name] = source[name]
    for name in NEVER_MISSING:
        if name not in dataset:
            setattr(dataset, name, None)


def moment_of(source: Dataset) -> tuple[str, str]:
    """Date and time of a clip; those of no real clip if it has none."""
    for name in MOMENTS:
        if day := source.get(f"{name}Date"):
            return day, source.get(f"{name}Time") or "000000"
    return "19000101", "000000"


def reference_to(source: Dataset) -> Dataset:
    """An item that refers to a clip."""
    item = Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    return item
