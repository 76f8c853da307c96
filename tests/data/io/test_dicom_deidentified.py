"""DICOM clips without personal data: what is in the original's header is not in the copy's."""

import numpy as np
import pydicom
import pytest
from dicom_clips import dicom_clip
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from lgrseg.data.io import UnreadableFile, read_video
from lgrseg.data.io.dicom_deidentified import (
    deidentified_header,
    header_of_pixels,
    write_deidentified,
)
from lgrseg.data.io.dicom_files import read_header

NAME = "CANARY"
TEXTS = (
    "PatientName", "PatientID", "PatientAddress", "StudyDescription", "InstitutionName", "StudyID",
    "Manufacturer", "StationName", "OperatorsName", "ImageComments", "AccessionNumber",
    "LossyImageCompressionMethod", "DeviceSerialNumber", "ReferringPhysicianName",
)  # fmt: skip


def region():
    item = Dataset()
    item.RegionSpatialFormat = item.RegionDataType = 1
    item.RegionFlags = item.RegionLocationMinX0 = item.RegionLocationMinY0 = 0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = 39, 29
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.PhysicalDeltaX = item.PhysicalDeltaY = 0.05
    item.private_block(0x0019, NAME, create=True).add_new(1, "FD", 1.5)
    item.TransducerType = NAME
    return item


def personal_clip(path, frames, **facts):
    texts = dict.fromkeys(TEXTS, NAME) | {"PatientBirthDate": "19700102", "FrameTime": "40"}
    texts |= {"LossyImageCompression": "01", "LossyImageCompressionRatio": "12"}
    for number, name in enumerate(("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")):
        texts[name] = f"1.2.276.5.{number}"
    return dicom_clip(
        path, frames, **texts, SequenceOfUltrasoundRegions=[region()], HeartRate=70, **facts
    )


def copy_of(path, frames, shown="fan"):
    header = deidentified_header(read_header(path))
    kept = path.with_name("header.dcm")
    header.save_as(kept, enforce_file_format=False)
    copy = path.with_name("copy.dcm")
    header = header_of_pixels(kept, path.with_name("of_pixels.dcm"), shown=shown)
    write_deidentified(copy, frames, header=header, fps=25)
    return copy


@pytest.mark.parametrize("colours", [(), (3,)])
def test_a_copy_has_the_pictures_and_no_text_of_the_original(tmp_path, colours):
    frames = np.random.default_rng(0).integers(0, 255, (3, 31, 41, *colours), np.uint8)
    copy = copy_of(personal_clip(tmp_path / "a.dcm", frames.reshape(3, 31, 41, -1)[..., 0]), frames)
    content = copy.read_bytes()
    for secret in (NAME, "19700102", "20200102", "101112", "1.2.276.5"):
        assert secret.encode() not in content
    video = read_video(copy)
    np.testing.assert_array_equal(video.frames, frames)
    assert video.spacing_mm == pytest.approx((0.5, 0.5)) and video.fps == 25
    header = pydicom.dcmread(copy)
    assert header.HeartRate == 70 and header.LossyImageCompressionRatio == 12
    assert (header.BurnedInAnnotation, header.PatientIdentityRemoved) == ("YES", "YES")
    again = pydicom.dcmread(copy_of(tmp_path / "a.dcm", frames, shown="masks"))
    assert "outside the masks" in again.DeidentificationMethod
    for name in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID"):
        assert again[name].value != header[name].value  # random, so clips cannot be joined


def test_what_is_no_number_and_no_ultrasound(tmp_path):
    clip = personal_clip(tmp_path / "a.dcm", np.zeros((1, 8, 8)))
    header = read_header(clip)
    assert "LossyImageCompressionMethod" not in deidentified_header(header)
    header.SOPClassUID = MRImageStorage
    with pytest.raises(UnreadableFile, match="only ultrasound clips .* this is MR Image Storage"):
        deidentified_header(header)
    del header.SOPClassUID
    with pytest.raises(UnreadableFile, match="no known class"):
        deidentified_header(header)
