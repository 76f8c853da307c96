"""Boxes of masks, their overlap, and boxes drawn as masks, by hand."""

import pytest
import torch

from lgrseg.structures.boxes import box_iou, boxes_of_masks, corners, draw_boxes


def rectangle(top, bottom, left, right, *, size=(8, 10)):
    mask = torch.zeros(size, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask


def test_the_box_of_a_mask_by_hand():
    masks = torch.stack([rectangle(2, 5, 3, 7), torch.zeros(8, 10, dtype=torch.bool)])
    boxes, present = boxes_of_masks(masks)
    # Columns 3 to 6 of 10, rows 2 to 4 of 8.
    assert boxes[0].tolist() == pytest.approx([0.5, 3.5 / 8, 0.4, 3 / 8])
    assert boxes[1].tolist() == [0, 0, 0, 0] and present.tolist() == [True, False]
    assert corners(boxes[0]).tolist() == pytest.approx([0.3, 0.25, 0.7, 0.625])
    assert boxes_of_masks(torch.ones(1, 8, 10, dtype=torch.bool))[0].tolist() == [[0.5, 0.5, 1, 1]]


def test_stray_pixels_are_trimmed():
    mask = torch.zeros(100, 100, dtype=torch.bool)
    mask[20:40, 30:50] = True  # 400 pixels
    mask[90, 90:96] = True  # 1.5% more
    assert boxes_of_masks(mask)[0].tolist() == pytest.approx([0.63, 0.555, 0.66, 0.71])
    # Each row and column of the square is 5% of it: none is lost.
    assert boxes_of_masks(mask, trim=0.02)[0].tolist() == pytest.approx([0.4, 0.3, 0.2, 0.2])


def test_iou_by_hand():
    box = torch.tensor([0.25, 0.5, 0.5, 1.0])  # the left half
    others = torch.tensor(
        [[0.25, 0.5, 0.5, 1.0], [0.5, 0.5, 1.0, 1.0], [0.75, 0.5, 0.5, 1.0], [0.9, 0.5, 0.2, 1.0]]
    )
    iou, generalised = box_iou(box, others)
    # The same; the whole; the other half; a fifth, with a gap of three tenths in the hull.
    assert iou.tolist() == pytest.approx([1, 0.5, 0, 0], abs=1e-6)
    assert generalised.tolist() == pytest.approx([1, 0.5, 0, -0.3], abs=1e-6)
    nothing = torch.zeros(4)
    assert all(torch.isfinite(value).all() for value in box_iou(nothing, nothing))


def test_a_drawn_box_is_its_mask():
    mask = rectangle(2, 5, 3, 7)
    boxes, _ = boxes_of_masks(mask)
    drawn = draw_boxes(boxes, (8, 10))
    assert torch.equal(drawn > 0, mask)
    assert float(drawn[3, 4]) == pytest.approx(1.5)  # pixels to the nearest edge, in rows
