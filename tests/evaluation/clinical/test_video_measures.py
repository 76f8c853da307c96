"""lgrseg/evaluation/clinical/video_measures.py: a ventricle at the edge of the fan is told."""

import numpy as np
import pytest

from lgrseg.evaluation.clinical.video_measures import measure_video
from lgrseg.evaluation.clinical.volumes import share_at_edge

CLASSES = ("left_ventricle",)


def test_share_at_the_edge():
    fan = np.ones((40, 40), bool)
    fan[:, 30:] = False
    mask = np.zeros((40, 40), bool)
    mask[10:20, 20:30] = True  # one of four sides at the edge
    assert 0.25 < share_at_edge(mask, fan) < 0.45
    mask = np.roll(mask, -8, axis=1)
    assert share_at_edge(mask, fan) == 0
    assert share_at_edge(np.zeros_like(mask), fan) == 0


def test_a_ventricle_that_slides_out_of_the_fan():
    fan = np.zeros((80, 80), bool)
    fan[10:70, 10:70] = True
    masks = np.zeros((2, 80, 80), np.uint8)
    masks[0, 20:60, 30:50] = 1
    masks[1, 20:60, 57:70] = 1  # not small: partly outside
    told = measure_video(masks, CLASSES, (1.0, 1.0), fan=fan)["beats"][0]
    assert told["problems"] == ["ES: cut off by the edge of the fan"]
    assert not measure_video(masks, CLASSES, None)["beats"][0]["problems"]
    assert measure_video(masks, CLASSES, None)["beats"][0]["edv"] is None


def beating(num_frames, *, phase=0):
    """A ventricle of 24 columns, 40 rows high at its largest and 30 at its least; beats last 20."""
    masks = np.zeros((num_frames, 100, 80), np.uint8)
    heights = 35 + 5 * np.cos(2 * np.pi * (np.arange(num_frames) + phase) / 20)
    for mask, height in zip(masks, heights.round().astype(int), strict=True):
        mask[80 - height : 80, 20:44] = 1
    return masks


def test_the_mean_is_of_whole_beats():
    # Disks of equal width: the fraction is that of the heights, (40 - 30) / 40.
    found = measure_video(beating(61), CLASSES, (1.0, 1.0))
    assert [beat["problems"] for beat in found["beats"]] == [[], [], []]
    assert found["ejection_fraction"] == pytest.approx(25, abs=1)
    # It begins half-way down: 35 rows, (35 - 30) / 35 = 14%, which is no ejection fraction.
    found = measure_video(beating(56, phase=5), CLASSES, (1.0, 1.0))
    cut, *whole = found["beats"]
    assert cut["ejection_fraction"] == pytest.approx(14.3, abs=1)
    assert cut["problems"] == ["ED may lie before the recording"]
    assert [beat["problems"] for beat in whole] == [[], []]
    assert found["ejection_fraction"] == pytest.approx(25, abs=1)
    # Half a beat has a number, but no mean; labels make it whole.
    half = beating(11)
    found = measure_video(half, CLASSES, (1.0, 1.0))
    assert found["beats"][0]["ejection_fraction"] == pytest.approx(25, abs=1)
    assert np.isnan(found["ejection_fraction"])
    found = measure_video(half, CLASSES, (1.0, 1.0), ed_frame=0, es_frame=10)
    assert found["ejection_fraction"] == pytest.approx(25, abs=1)


def test_an_impossible_fraction_is_a_problem():
    masks = np.zeros((2, 100, 80), np.uint8)
    masks[0, 5:95, 20:33] = 1  # the larger area: 1170; its disks hold pi / 4 * 13^2 * 90
    masks[1, 30:60, 20:56] = 1  # 1080; pi / 4 * 30^2 * 36, more than twice as much
    found = measure_video(masks, CLASSES, None)
    (beat,) = found["beats"]
    assert (beat["ed"], beat["es"]) == (0, 1)
    assert np.isnan(beat["ejection_fraction"]) and np.isnan(found["ejection_fraction"])
    assert beat["problems"][-1].endswith("times as large at ES as at ED, which is impossible")
