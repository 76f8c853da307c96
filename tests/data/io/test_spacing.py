"""lgrseg/data/io/spacing.py, rates.py: what headers say, and what cannot be."""

import numpy as np
import pytest
from pydicom.dataset import Dataset

from lgrseg.data.io.rates import checked_rate, dicom_rate
from lgrseg.data.io.spacing import checked_spacing, dicom_spacing


def region(delta, bounds=None, *, units=3, form=1):
    made = Dataset()
    made.PhysicalUnitsXDirection, made.PhysicalUnitsYDirection = units, 3
    made.RegionSpatialFormat = form
    made.PhysicalDeltaX = made.PhysicalDeltaY = delta
    for name, value in zip(("MinX0", "MinY0", "MaxX1", "MaxY1"), bounds or (), strict=False):
        setattr(made, f"RegionLocation{name}", value)
    return made


def spacing_of(*regions, size=(96, 128), pixel_spacing=None):
    dataset, notes = Dataset(), []
    dataset.Rows, dataset.Columns = size
    dataset.SequenceOfUltrasoundRegions = list(regions)
    if pixel_spacing:
        dataset.PixelSpacing = pixel_spacing
    spacing = dicom_spacing(dataset, notes)
    return spacing and spacing[0], " ".join(notes)


@pytest.mark.parametrize("size", [0, -0.3, np.nan, np.inf, 1e-310, 0.0003, 300, "wide", None])
def test_what_is_no_size_of_a_pixel(size):
    notes = []
    assert checked_spacing(0.3, size, source="pixdim", notes=notes) is None
    assert len(notes) == 1 and notes[0].startswith("pixdim") and "it is not used" in notes[0]


FAN, INSET = (5, 0, 122, 95), (100, 70, 127, 95)


def test_the_largest_picture_counts_not_insets_and_traces():
    assert spacing_of(region(0.2, INSET), region(0.05, FAN)) == (0.5, "")
    assert spacing_of(region(0.2, FAN, units=4), region(0.05, INSET)) == (0.5, "")
    assert spacing_of(region(0.2, FAN, form=3), region(0.05, INSET)) == (0.5, "")
    spacing, notes = spacing_of(region(0.2), region(0.05))
    assert spacing is None and "have no position" in notes
    assert spacing_of(region(-0.05, FAN)) == (0.5, "")  # upwards


def test_an_inset_does_not_stand_in_for_a_fan_without_size():
    spacing, notes = spacing_of(region(0.2, INSET), region(0, FAN))
    assert spacing is None and "is not plausible" in notes


def test_malformed_items_do_not_refuse_a_clip():
    for broken in (region(None, FAN), Dataset()):
        assert spacing_of(broken)[0] is None
    assert spacing_of(Dataset(), region(0.05, FAN)) == (0.5, "")
    dataset, notes = Dataset(), []
    dataset.Rows, dataset.Columns, dataset.PixelSpacing = 96, 128, [0.4]
    assert dicom_spacing(dataset, notes) is None and "not a pair" in notes[0]


@pytest.mark.parametrize(
    ("bounds", "size", "spacing"),
    [
        ((84, 31, 595, 414), (240, 320), 1.0),  # 640 x 480, halved
        ((14, 38, 1010, 758), (480, 640), 0.8),  # 1024 x 768 to 640 x 480
        ((0, 0, 255, 191), (96, 128), 1.0),
        ((0, 0, 128, 96), (96, 128), 0.5),  # bounds that count one too far
        ((0, 0, 800, 518), (350, 800), None),  # cut, not made smaller
    ],
)
def test_a_region_larger_than_its_picture(bounds, size, spacing):
    found, notes = spacing_of(region(0.05, bounds), size=size)
    assert found == (spacing and pytest.approx(spacing, rel=0.01))
    assert ("the ultrasound region reaches to" in notes) == (spacing != 0.5)


def test_two_items_that_differ():
    assert spacing_of(region(0.05, FAN), pixel_spacing=[0.5, 0.5]) == (0.5, "")
    spacing, notes = spacing_of(region(0.05, FAN), pixel_spacing=[1, 1])
    assert spacing == 0.5 and "PixelSpacing is 1 x 1 mm" in notes
    spacing, notes = spacing_of(region(0, FAN), pixel_spacing=[0.4, 0.4])
    assert spacing == 0.4 and "is not plausible" in notes and "sizes are in pixels" not in notes


def rate_of(**items):
    dataset, notes = Dataset(), []
    for name, value in items.items():
        setattr(dataset, name, value)
    return dicom_rate(dataset, notes), " ".join(notes)


@pytest.mark.parametrize("milliseconds", ["1e-310", "0.033", "-33", "33000", "0"])
def test_a_frame_time_that_cannot_be(milliseconds):
    rate, notes = rate_of(FrameTime=milliseconds)
    assert rate is None and "FrameTime" in notes and "not used" in notes
    rate, notes = rate_of(FrameTime=milliseconds, CineRate=30)
    assert rate == 30 and "FrameTime" in notes
    assert rate_of(FrameTime=milliseconds, FrameTimeVector=[0, 40, 40])[0] == 25


def test_rates():
    assert rate_of(FrameTime="40") == (25, "") and rate_of() == (None, "")
    assert rate_of(RecommendedDisplayFrameRate=20) == (20, "")
    assert rate_of(CineRate=0) == (None, "")  # not known
    assert checked_rate(29.97, source="a", notes=[]) == 29.97
