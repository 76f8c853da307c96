"""lgrseg/evaluation/video_measures.py: a ventricle at the edge of the fan is told."""

import numpy as np

from lgrseg.evaluation.video_measures import measure_video, share_at_edge

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
    masks[1, 20:60, 64:70] = 1  # not small: mostly outside
    told = measure_video(masks, CLASSES, (1.0, 1.0), fan=fan)["beats"][0]
    assert told["problems"] == ["ES: cut off by the edge of the fan"]
    assert not measure_video(masks, CLASSES, None)["beats"][0]["problems"]
    assert measure_video(masks, CLASSES, None)["beats"][0]["edv"] is None
