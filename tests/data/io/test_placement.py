"""lgrseg/data/io/placement.py: masks lie where SimpleITK, as most viewers do, places the clip."""

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.dataset import FileMetaDataset

from lgrseg.data.io import read_video
from lgrseg.data.io.mask_files import write_masks
from lgrseg.data.io.placement import affine_of_file

SIZE = (6, 40, 50)
TURNED = [np.cos(0.3), -np.sin(0.3), 0, np.sin(0.3), np.cos(0.3), 0, 0, 0, 1]


def metaimage(path, *, direction=TURNED, size=SIZE):
    image = SimpleITK.GetImageFromArray(np.zeros(size, np.uint8))
    image.SetSpacing((0.3, 0.4, 2.0))
    image.SetOrigin((10, -20, 30))
    image.SetDirection(direction)
    SimpleITK.WriteImage(image, str(path))


def dicom(path, **facts):
    data = pydicom.Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.SOPClassUID = pydicom.uid.UltrasoundMultiFrameImageStorage
    data.SOPInstanceUID = "1.2.3"
    data.NumberOfFrames, data.Rows, data.Columns = SIZE
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation, data.Modality = 7, 0, "US"
    data.PixelData = bytes(int(np.prod(SIZE)))
    for name, value in facts.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)


def nifti(path):
    affine = np.diag([-0.3, 0.4, 2, 1])
    affine[:3, 3] = 5, 6, 7
    nibabel.save(nibabel.Nifti1Image(np.zeros(SIZE[::-1], np.uint8), affine), path)


PLACED = {
    "a.mha": metaimage,
    "a.mhd": metaimage,
    "a.dcm": lambda path: dicom(path, PixelSpacing=[0.4, 0.3]),
    "b.dcm": lambda path: dicom(
        path,
        PixelSpacing=[0.4, 0.3],
        ImagePositionPatient=[1, 2, 3],
        ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
    ),
    "a.nii.gz": nifti,
}


@pytest.mark.parametrize("name", PLACED)
def test_masks_have_the_physical_points_of_the_clip(tmp_path, name):
    PLACED[name](tmp_path / name)
    affine = affine_of_file(tmp_path / name, read_video(tmp_path / name).spacing_mm)
    write_masks(tmp_path / "m.nii.gz", np.zeros(SIZE, np.uint8), shape=SIZE, affine=affine)
    clip = SimpleITK.ReadImage(str(tmp_path / name))
    masks = SimpleITK.ReadImage(str(tmp_path / "m.nii.gz"))
    assert masks.GetSize() == clip.GetSize()
    for corner in ((0, 0, 0), (49, 0, 0), (0, 39, 0), (0, 0, 5), (49, 39, 5)):
        expected = clip.TransformIndexToPhysicalPoint(corner)
        assert masks.TransformIndexToPhysicalPoint(corner) == pytest.approx(expected, abs=1e-4)


def test_the_spacing_of_the_reader_is_kept_where_viewers_know_none(tmp_path):
    dicom(tmp_path / "a.dcm")
    affine = affine_of_file(tmp_path / "a.dcm", (0.5, 0.25))
    assert np.array_equal(affine, np.diag([-0.25, -0.5, 1, 1]))


@pytest.mark.parametrize("spacing", [None, (0.0, 0.0), (float("nan"), 1.0), (-1.0, 1.0)])
def test_a_spacing_that_cannot_be(tmp_path, spacing):
    dicom(tmp_path / "a.dcm")
    for path in (tmp_path / "a.dcm", tmp_path / "a.mp4"):
        assert np.array_equal(affine_of_file(path, spacing), np.diag([-1.0, -1.0, 1, 1]))


def test_metres_become_millimetres(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((5, 4, 3), np.uint8), np.diag([0.0003, 0.0004, 0.002, 1]))
    image.header.set_xyzt_units(xyz="meter")
    nibabel.save(image, tmp_path / "a.nii")
    affine = affine_of_file(tmp_path / "a.nii", (0.4, 0.3))
    assert np.allclose(np.diag(affine), [0.3, 0.4, 2, 1], atol=1e-6)
