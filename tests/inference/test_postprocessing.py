"""lgrseg/inference/postprocessing.py, on label maps that a person can draw."""

import json

import numpy as np
import pytest
from bright_disc import disc_clip

import lgrseg
from lgrseg.inference.postprocessing import WAYS, Postprocessing

LABELS = np.array(
    [
        [1, 1, 1, 1, 0, 0, 2],
        [1, 0, 2, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 2, 2],
        [0, 0, 0, 0, 1, 2, 2],
        [1, 0, 0, 0, 0, 0, 0],
    ],
    np.uint8,
)
"""A ring of class 1 around background and one pixel of class 2; single pixels of both classes."""


def test_the_largest_part_of_every_class_stays():
    found = Postprocessing(largest_component=True)(LABELS)
    expected = LABELS.copy()
    expected[0, 6] = expected[1, 2] = expected[4, 0] = 0  # (3, 4) touches the ring at a corner
    np.testing.assert_array_equal(found, expected)


def test_holes_are_filled_and_other_classes_stay():
    found = Postprocessing(fill_holes=True)(LABELS)
    expected = LABELS.copy()
    expected[1, 1] = 1
    np.testing.assert_array_equal(found, expected)
    both = Postprocessing(largest_component=True, fill_holes=True)(LABELS)
    assert (both[1, 1], both[1, 2]) == (1, 1)  # the small part of class 2 became a hole before


def test_nothing_changes_by_default_and_empty_maps_stay_empty():
    empty = np.zeros((4, 5), np.uint8)
    assert not WAYS[0] and all(WAYS[1:])
    for way in WAYS:
        np.testing.assert_array_equal(way(empty), empty)
    np.testing.assert_array_equal(WAYS[0](LABELS), LABELS)


def test_an_ensemble_uses_the_choice_of_its_cross_validation(run, tmp_path):
    file = tmp_path / "cross_validation.json"
    for other in (json.dumps({"mean": {}}), "[left_ventricle]", json.dumps({"postprocessing": 1})):
        file.write_text(other)
        with pytest.raises(ValueError, match="has no choice of post-processing: give"):
            lgrseg.Predictor.from_run([run], postprocessing=file)
    chosen = {"largest_component": True, "fill_holes": False}
    file.write_text(json.dumps({"postprocessing": {"chosen": chosen}}))
    frames, _ = disc_clip(1)
    frames[0, 66:80, 26:40] = 240  # a second bright spot, for a second part
    plain = lgrseg.Predictor.from_run([run])
    cleaned = lgrseg.Predictor.from_run([run], postprocessing=file)
    before, after = plain(frames).masks[0], cleaned(frames).masks[0]
    np.testing.assert_array_equal(after, Postprocessing(**chosen)(before))
    assert (before != after).any() and plain.mark != cleaned.mark
