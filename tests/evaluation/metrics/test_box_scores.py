"""lgrseg/evaluation/metrics/box_scores.py."""

import numpy as np
import pytest
import torch

from lgrseg.evaluation.metrics.box_scores import score_boxes, summarise_boxes
from lgrseg.reporting.tables import box_rows
from lgrseg.structures import Geometry

GEOMETRY = Geometry((40, 60), (4, 6, 36, 54), (32, 48))


def frame(*, moved=0.0, score=0.9, there=True):
    truth = np.zeros((40, 60), np.uint8)
    if there:
        truth[12:28, 18:42] = 1  # in the crop: rows 8 to 24 of 32, columns 12 to 36 of 48
    boxes = torch.tensor([[0.5 + moved, 0.5, 0.5, 0.5], [0.5, 0.5, 0.1, 0.1]])
    return score_boxes(boxes, torch.tensor([score, 0.1]), truth, GEOMETRY)


def summary_of(*frames, patients=None):
    return summarise_boxes(list(frames), patients or ["p"] * len(frames), ("a_b", "c"))


def test_boxes_come_back_to_the_original():
    found = frame()
    assert found.predicted[0] == pytest.approx([18, 12, 42, 28])
    assert found.truth == [[18, 12, 42, 28], None]


def test_iou_and_recall_by_hand():
    # Moved by half its width: a third; by a sixth: 20 of 28 columns.
    frames = [frame(), frame(moved=0.25), frame(moved=1 / 12), frame(there=False)]
    of_class = summary_of(*frames)["classes"]["a_b"]
    assert of_class["iou"] == pytest.approx((1 + 1 / 3 + 20 / 28) / 3)
    assert of_class["recall_50"] == pytest.approx(2 / 3)
    assert of_class["recall_75"] == pytest.approx(1 / 3)


def test_patients_count_alike():
    found = summary_of(frame(), frame(), frame(moved=0.25), patients=["p", "p", "q"])
    assert found["mean"]["iou"] == pytest.approx((1 + 1 / 3) / 2)


def test_average_precision_knows_confidence():
    sure = summary_of(frame(score=0.9), frame(score=0.1, there=False))
    assert sure["classes"]["a_b"]["ap_50"] == pytest.approx(1)
    # The empty frame's box is surer than the right one, so half of what is found is wrong.
    unsure = summary_of(frame(score=0.1), frame(score=0.9, there=False))
    assert unsure["classes"]["a_b"]["ap_50"] == pytest.approx(0.5)
    assert np.isnan(unsure["classes"]["c"]["ap"]) and np.isnan(unsure["classes"]["c"]["iou"])


def test_the_table_ends_with_the_mean():
    head, rows = box_rows(summary_of(frame(), frame(moved=0.25)))
    assert head[:2] == ["boxes", "IoU"] and [row[0] for row in rows] == ["a b", "c", "mean"]
    assert rows[0][1] == "0.6667"  # 1 and 1/3
