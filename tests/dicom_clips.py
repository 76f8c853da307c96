"""DICOM clips for tests, with all that a scanner states."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage


def dicom_clip(path: Path, frames, **facts) -> Path:
    """Write a clip with all that a scanner states; a fact that is None is left out."""
    frames = np.asarray(frames, np.uint8)
    clip = Dataset()
    clip.SpecificCharacterSet = "ISO_IR 100"
    clip.SOPClassUID, clip.SOPInstanceUID = UltrasoundMultiFrameImageStorage, "1.2.3"
    clip.StudyInstanceUID, clip.SeriesInstanceUID, clip.Modality = "1.2.1", "1.2.2", "US"
    clip.PatientName, clip.PatientID = "Jürgensen^Åse", "p1"
    clip.StudyDate, clip.StudyTime, clip.StudyID = "20200102", "101112", "7"
    clip.NumberOfFrames, clip.Rows, clip.Columns = frames.shape
    clip.SamplesPerPixel, clip.PhotometricInterpretation = 1, "MONOCHROME2"
    clip.BitsAllocated = clip.BitsStored = 8
    clip.HighBit, clip.PixelRepresentation = 7, 0
    clip.PixelData = frames.tobytes() + b"\0" * (frames.size % 2)
    clip["PixelData"].VR = "OB"
    for name, value in facts.items():
        if value is None:
            delattr(clip, name)
        else:
            setattr(clip, name, value)
    clip.file_meta = FileMetaDataset()
    clip.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    clip.file_meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
    clip.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    path.parent.mkdir(parents=True, exist_ok=True)
    clip.save_as(path, enforce_file_format=True)
    return path
