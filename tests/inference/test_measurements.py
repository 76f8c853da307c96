"""lgrseg/inference/measurements.py: known hearts through the whole path, and what it says."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest

from lgrseg.data.catalog import Metadata
from lgrseg.data.phantom.heart import LA, LV, Heart
from lgrseg.data.phantom.scan import Scan, Scanner
from lgrseg.inference.measurements import measure

HEART = Metadata(("left_ventricle", "left_atrium"), ((255, 0, 0), (0, 255, 0)))
HEALTHY = Heart()
SCANNER = Scanner()
SPACING = (SCANNER.mm_per_pixel,) * 2


@functools.cache
def true_masks(heart: Heart, num_frames: int) -> np.ndarray:
    """The left heart as the phantom knows it: 1 is its ventricle, 2 its atrium."""
    scan = Scan(heart, SCANNER, num_frames, seed=0)
    labels = np.stack([scan.labels(frame) for frame in range(num_frames)])
    assert (LV, LA) == (1, 2)
    return np.where(labels <= 2, labels, 0).astype(np.uint8)


@pytest.mark.parametrize("heart", [HEALTHY, Heart(thinning=0.1, shortening=0.05, tilt=0.1)])
def test_true_masks_give_the_ejection_fraction_that_is_known(heart):
    masks = true_masks(heart, 60)  # two and a half beats
    measured = measure(masks, HEART, spacing_mm=SPACING, fps=24)
    pixels = (masks == 1).sum(axis=(1, 2))
    assert measured.area_unit == "mm2"
    assert measured.areas["left_ventricle"] == pytest.approx(pixels * SPACING[0] * SPACING[1])
    assert measured.steadiness["left_ventricle"]["jumps_per_second"] == 0
    whole = [beat for beat in measured.beats if not beat.problems]
    assert whole and measured.ejection_fraction == pytest.approx(
        100 * heart.ejection_fraction(), abs=2.5
    )
    # The phantom cuts its ventricle across its axis of symmetry. The measured axis ends at the
    # apex, which lies at the septum: its disks are askew, and volumes come out about 5% lower.
    for beat in whole:
        assert beat.ed_frame % heart.cycle in (23, 0, 1)
        assert beat.es_frame % heart.cycle in (8, 9, 10)  # 0.38 of 24 frames is 9.1
        assert beat.edv_ml == pytest.approx(heart.lv_volume(0), rel=0.06)
        assert beat.esv_ml == pytest.approx(heart.lv_volume(0.38 * heart.cycle), rel=0.06)
    assert measured.notes == []


def test_without_spacing_there_are_no_volumes_and_it_says_so():
    masks = true_masks(HEALTHY, 60)
    measured = measure(masks, HEART, spacing_mm=None)
    assert measured.area_unit == "pixels"
    assert measured.areas["left_atrium"] == (masks == 2).sum(axis=(1, 2)).tolist()
    assert {beat.edv_ml for beat in measured.beats} == {None}
    # A ratio needs no unit: the pixels of the phantom are square.
    assert measured.ejection_fraction == pytest.approx(100 * HEALTHY.ejection_fraction(), abs=2)
    (note,) = measured.notes
    assert "areas are in pixels, and there are no volumes" in note and "square" in note


def test_what_cannot_be_measured_is_said():
    polyp = Metadata(("polyp",), ((255, 0, 0),))
    (note,) = measure(np.ones((3, 8, 8), np.uint8), polyp, spacing_mm=(1, 1)).notes
    assert "none of the classes (polyp) is known to be the left_ventricle" in note
    one_frame = measure(true_masks(HEALTHY, 60)[:1], HEART, spacing_mm=SPACING)
    assert one_frame.ejection_fraction is None and one_frame.beats == []
    assert "fewer than two frames show the left ventricle" in one_frame.notes[0]
    masks = true_masks(HEALTHY, 60).copy()
    masks[2:] = 0
    two_frames = measure(masks, HEART, spacing_mm=SPACING)
    assert two_frames.ejection_fraction is not None
    assert "only two frames show the left ventricle" in two_frames.notes[0]
    # Half a beat: its end-systole may lie after the recording.
    cut = measure(true_masks(HEALTHY, 60)[:7], HEART, spacing_mm=SPACING)
    assert cut.ejection_fraction is None and cut.beats[0].problems
    assert "every beat is doubtful" in cut.notes[0] and cut.beats[0].problems[0] in cut.notes[0]


def test_as_dict_is_plain():
    facts = measure(true_masks(HEALTHY, 60)[:3], HEART, spacing_mm=SPACING).as_dict()
    assert facts["areas"].keys() == {"left_ventricle", "left_atrium"}
    assert facts["ejection_fraction"] is None and facts["steadiness"]["left_atrium"]["frames"] == 3
    assert set(facts["beats"][0]) >= {"ed_frame", "es_frame", "edv_ml", "esv_ml", "problems"}


def test_a_class_of_another_name_can_be_the_left_ventricle():
    masks = true_masks(HEALTHY, 60)
    named = measure(masks, HEART, spacing_mm=SPACING)
    roles = {"left_ventricle": "lv_cavity", "left_atrium": "la"}
    own = SimpleNamespace(classes=("lv_cavity", "la"), roles=roles)
    measured = measure(masks, own, spacing_mm=SPACING)
    assert measured.beats == named.beats and measured.notes == []
    assert measured.areas == dict(zip(("lv_cavity", "la"), named.areas.values(), strict=True))
