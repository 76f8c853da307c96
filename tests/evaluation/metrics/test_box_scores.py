"""lgrseg/evaluation/metrics/box_scores.py."""

import numpy as np
import pytest
import torch

from lgrseg.evaluation.metrics.box_scores import score_boxes, summarise_boxes
from lgrseg.reporting.tables import box_rows
from lgrseg.structures import Geometry

GEOMETRY = Geometry((40, 60), (4, 6, 36, 54), (32, 48))


def frame(*, moved=0.0, score=0.9, there=True, patient="p"):
    truth = np.zeros((40, 60), np.uint8)
    if there:
        truth[12:28, 18:42] = 1  # in the crop: rows 8 to 24 of 32, columns 12 to 36 of 48
    boxes = torch.tensor([[0.5 + moved, 0.5, 0.5, 0.5], [0.5, 0.5, 0.1, 0.1]])
    found = score_boxes(boxes, torch.tensor([score, 0.1]), truth, GEOMETRY)
    return {"patient": patient, "boxes": found}


def test_boxes_come_back_to_the_original():
    found = frame()["boxes"]
    assert found["predicted"][0] == pytest.approx([18, 12, 42, 28])
    assert found["truth"] == [[18, 12, 42, 28], None]


def test_iou_and_recall_by_hand():
    # Moved by half its width: a third; by a sixth: 20 of 28 columns.
    rows = [frame(), frame(moved=0.25), frame(moved=1 / 12), frame(there=False)]
    of_class = summarise_boxes(rows, ("a", "b"))["classes"]["a"]
    assert of_class["iou"] == pytest.approx((1 + 1 / 3 + 20 / 28) / 3)
    assert of_class["recall_50"] == pytest.approx(2 / 3)
    assert of_class["recall_75"] == pytest.approx(1 / 3)


def test_patients_count_alike():
    rows = [frame(), frame(), frame(moved=0.25, patient="q")]
    assert summarise_boxes(rows, ("a", "b"))["mean"]["iou"] == pytest.approx((1 + 1 / 3) / 2)


def test_average_precision_knows_confidence():
    sure = summarise_boxes([frame(score=0.9), frame(score=0.1, there=False)], ("a", "b"))
    assert sure["classes"]["a"]["ap_50"] == pytest.approx(1)
    # The empty frame's box is surer than the right one, so half of what is found is wrong.
    unsure = summarise_boxes([frame(score=0.1), frame(score=0.9, there=False)], ("a", "b"))
    assert unsure["classes"]["a"]["ap_50"] == pytest.approx(0.5)
    assert np.isnan(unsure["classes"]["b"]["ap"]) and np.isnan(unsure["classes"]["b"]["iou"])


def test_the_table_ends_with_the_mean():
    head, rows = box_rows(summarise_boxes([frame(), frame(moved=0.25)], ("a_b", "b")))
    assert head[:2] == ["boxes", "IoU"] and [row[0] for row in rows] == ["a b", "b", "mean"]
    assert rows[0][1] == "0.6667"  # 1 and 1/3
