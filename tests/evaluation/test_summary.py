"""From frames to results: frame_scores.py, summary.py and heart_function.py on made-up masks."""

import numpy as np
import pytest
from conftest import made_up_record

from lgrseg.evaluation.clinical.heart_function import QUANTITIES
from lgrseg.evaluation.frame_scores import measure_heart, score_frame
from lgrseg.evaluation.summary import summarise

HEART = ("left_ventricle", "left_atrium")


def record(name="v", *, spacing=(0.5, 0.5), **facts):
    return made_up_record(name, spacing_mm=spacing, **facts)


def rectangle(top, left, bottom, right, shape=(40, 50)):
    mask = np.zeros(shape, np.uint8)
    mask[top:bottom, left:right] = 1
    return mask


def heart(height, width=12):
    """A ventricle of `height` rows above an atrium."""
    labels = np.zeros((160, 100), np.uint8)
    labels[100 - height : 100, 40 : 40 + width] = 1
    labels[100:130, 38:54] = 2
    return labels


def rows_of(pairs, classes):
    return [
        score_frame(prediction, truth, own, number, classes, tolerance=1.0)
        for number, (prediction, truth, own) in enumerate(pairs)
    ]


def test_distances_missed_borders_and_units():
    same, moved, none = rectangle(5, 5, 15, 15), rectangle(5, 9, 15, 19), np.zeros((40, 50))
    none = none.astype(np.uint8)
    rows = rows_of(
        [
            (same, same, record("a")),
            (moved, same, record("b")),
            (none, same, record("c")),  # a border in one only
            (moved, same, record("d", spacing=None)),  # no millimetres: no distance
        ],
        ("thing",),
    )
    found = summarise(rows, ("thing",), tolerance=1.0)
    thing = found["classes"]["thing"]
    assert found["distance_unit"] == "mm"
    assert thing["hd"] == pytest.approx((0 + 2.0) / 2)  # four columns of 0.5 mm
    assert thing["missed"] == found["mean"]["missed"] == 1
    assert thing["sensitivity"] == pytest.approx((1 + 0.6 + 0 + 0.6) / 4)
    assert thing["precision"] == pytest.approx((1 + 0.6 + 0.6) / 3)  # c predicts nothing
    assert found["mean"]["mae"] == pytest.approx((0 + 80 + 100 + 80) / 4 / 2000)
    assert 0.5 < found["mean"]["s_measure"] < 1


def test_missed_frames_without_a_spacing_count_too():
    same, none = rectangle(5, 5, 15, 15), np.zeros((40, 50), np.uint8)
    pairs = [(same, same, record("a")), (none, same, record("b", spacing=None))]
    found = summarise(rows_of(pairs, ("thing",)), ("thing",), tolerance=1.0)
    assert found["mean"]["hd95"] == 0 and found["mean"]["missed"] == 1
    assert found["videos_without_distances"] == 1


def test_pixels_where_no_video_has_a_spacing():
    same, moved = rectangle(5, 5, 15, 15), rectangle(5, 9, 15, 19)
    rows = rows_of([(moved, same, record(spacing=None))], ("thing",))
    found = summarise(rows, ("thing",), tolerance=1.0)
    assert found["distance_unit"] == "px" and found["classes"]["thing"]["hd"] == 4
    assert found["videos_without_distances"] == 0


def test_heart_function_by_hand():
    # Boxes of 12 columns: EF of disks is that of the heights, (80 - 50) / 80 and (80 - 60) / 80.
    facts = {"ed_frame": 0, "es_frame": 1, "image_quality": "Good"}
    own = record("p", reference_ejection_fraction=40.0, **facts)
    rows = rows_of([(heart(80), heart(80), own), (heart(60), heart(50), own)], HEART)
    found = summarise(rows, HEART, tolerance=1.0)["heart"]
    (case,) = found["cases"]
    assert case["truth"]["ejection_fraction"] == pytest.approx(37.5, abs=1.5)
    assert case["prediction"]["ejection_fraction"] == pytest.approx(25, abs=1.5)
    # Round disks of 6 mm across, 40 mm long: pi / 4 * 36 * 40 / 1000 ml.
    assert case["truth"]["edv"] == pytest.approx(np.pi / 4 * 36 * 40 / 1000, rel=0.03)
    assert case["quality"] == "Good"
    facts_of_case = ["video_id", "patient", "site", "quality", "reference_ejection_fraction"]
    assert list(case) == [*facts_of_case, "prediction", "truth"]
    assert list(case["truth"]) == list(case["prediction"]) == [*QUANTITIES, "problems"]
    error = found["agreement"]["ejection_fraction"]
    assert error["bias"] == pytest.approx(-12.5, abs=1) and error["unit"] == "%"
    assert found["by_quality"]["Good"]["bias"] == error["bias"] and found["by_site"] == {}
    against = found["agreement"]["ejection_fraction_against_reference"]
    assert against["bias"] == pytest.approx(-15, abs=1.5)


def test_a_ventricle_that_is_not_found_is_missing_not_zero():
    facts = {"ed_frame": 0, "es_frame": 1}
    empty = np.zeros((160, 100), np.uint8)
    own = record("p", **facts)
    rows = rows_of([(empty, heart(80), own), (heart(60), heart(50), own)], HEART)
    found = summarise(rows, HEART, tolerance=1.0)["heart"]
    assert found["agreement"]["ejection_fraction"]["missing"] == 1
    assert found["cases"][0]["prediction"]["problems"][0] == "ED: not there"


def test_an_impossible_ejection_fraction_is_a_problem_and_no_number():
    # 80 rows at end-systole and 20 at end-diastole: -300%.
    own = record("p", ed_frame=0, es_frame=1)
    rows = rows_of([(heart(20), heart(80), own), (heart(80), heart(50), own)], HEART)
    found = summarise(rows, HEART, tolerance=1.0)["heart"]
    (case,) = found["cases"]
    predicted = case["prediction"]
    assert all(
        np.isnan(predicted[key]) for key in ("ejection_fraction", "area_change", "stroke_volume")
    )
    assert predicted["esv"] > predicted["edv"] > 0
    assert "times as large at ES as at ED" in predicted["problems"][-1]
    assert case["truth"]["problems"] == [] and found["agreement"]["ejection_fraction"]["num"] == 0
    assert found["agreement"]["ejection_fraction"]["missing"] == 1


def test_without_spacing_there_are_fractions_but_no_millilitres():
    own = record("p", spacing=None, ed_frame=0, es_frame=1)
    rows = rows_of([(heart(80), heart(80), own), (heart(50), heart(50), own)], HEART)
    compared = summarise(rows, HEART, tolerance=1.0)["heart"]["agreement"]
    assert set(compared) == {"ejection_fraction", "area_change"}


def test_no_heart_where_phases_are_not_known():
    rows = rows_of([(heart(80), heart(80), record())], HEART)
    assert summarise(rows, HEART, tolerance=1.0)["heart"] is None


def test_the_atrium_lies_behind_the_ventricle():
    found = measure_heart(heart(80), HEART, (0.5, 0.5))
    assert found["left_ventricle"].length_mm == pytest.approx(40, rel=0.03)
    assert found["left_atrium"].volume_ml > 0
    assert set(measure_heart(rectangle(1, 1, 9, 9), ("polyp",), None)) == set()
