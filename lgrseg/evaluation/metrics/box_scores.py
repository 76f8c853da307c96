"""Scores of predicted boxes: IoU and recall by class, and COCO's average precision.

The true box is the box around a class's mask on an annotated frame. Each class has at most one
object, so it has one predicted box per frame. IoU and recall compare boxes only on frames that show
the class. Average precision (pycocotools) also penalises boxes on frames without the class.
"""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lgrseg.evaluation.metrics import overlap
from lgrseg.structures import Geometry
from lgrseg.structures.boxes import boxes_of_masks, corner_iou, corners

RECALLS = (0.5, 0.75)


@dataclass
class FrameBoxes:
    """Boxes of the K classes on one frame, (x0, y0, x1, y1) in pixels of the original frame.

    It has plain values, so that it can be sent between processes.
    """

    predicted: list[list[float]]
    truth: list[list[int] | None]
    """The box around the true mask; None if the frame does not show the class."""
    scores: list[float]
    """Confidence of each predicted box, 0 to 1."""

    def pairs(self) -> Iterator[tuple[list[float], list[int] | None]]:
        """The predicted and the true box of every class."""
        return zip(self.predicted, self.truth, strict=True)


def score_boxes(boxes: Tensor, scores: Tensor, truth: np.ndarray, geometry: Geometry) -> FrameBoxes:
    """Convert the boxes of one frame to pixels of the original frame.

    Args:
        boxes: (K, 4) predicted boxes on the CPU, (cx, cy, w, h) as fractions of the clip's width
            and height.
        scores: (K,) confidence of each box on the CPU, 0 to 1.
        truth: (H, W) uint8 at the original size, 0 background, k + 1 for class k.
        geometry: position of the clip's pixels in the original video.
    """
    top, left, bottom, right = geometry.crop_box
    size = torch.tensor([right - left, bottom - top] * 2)
    placed = corners(boxes) * size + torch.tensor([left, top] * 2)
    classes = torch.arange(1, len(boxes) + 1)[:, None, None]
    truth_boxes, present = boxes_of_masks(torch.from_numpy(truth) == classes)
    pixels = (corners(truth_boxes) * torch.tensor([*truth.shape[::-1]] * 2)).round().int().tolist()
    return FrameBoxes(
        predicted=placed.tolist(),
        truth=[
            box if is_present else None for box, is_present in zip(pixels, present, strict=True)
        ],
        scores=scores.tolist(),
    )


def summarise_boxes(
    frames: list[FrameBoxes], patients: list[str], classes: tuple[str, ...]
) -> dict[str, dict]:
    """Box entries of results.json: means over patients, of frames that show the class.

    Args:
        frames: boxes of every annotated frame.
        patients: patient of each frame.
        classes: names of the K classes.

    Returns:
        "classes": name -> "iou", "recall_50", "recall_75", "ap" (mean over IoU 0.5 to 0.95) and
        "ap_50", all 0 to 1; "mean": their means over classes.
    """
    # (F, K), NaN if the frame does not show the class.
    ious = np.array([[_iou(*pair) for pair in boxes.pairs()] for boxes in frames])
    measures = {"iou": ious}
    for least in RECALLS:
        hits = np.where(np.isnan(ious), np.nan, ious >= least)
        measures[f"recall_{round(100 * least)}"] = hits
    by_class = {
        name: overlap.mean(overlap.group_means(values, patients)[1], axis=0)
        for name, values in measures.items()
    } | average_precision(frames, len(classes))
    return {
        "classes": {
            cls: {name: float(values[k]) for name, values in by_class.items()}
            for k, cls in enumerate(classes)
        },
        "mean": {name: float(overlap.mean(values)) for name, values in by_class.items()},
    }


def _iou(predicted: list[float], truth: list[int] | None) -> float:
    if truth is None:
        return float("nan")
    return float(corner_iou(torch.tensor(predicted), torch.tensor(truth, dtype=torch.float32))[0])


def average_precision(frames: list[FrameBoxes], num_classes: int) -> dict[str, np.ndarray]:
    """COCO's AP of every class over all frames: "ap" and "ap_50", (K,), NaN without true boxes."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    categories = [{"id": k + 1, "name": str(k)} for k in range(num_classes)]
    truths: list[dict[str, Any]] = []
    detections: list[dict[str, Any]] = []
    for image, boxes in enumerate(frames):
        for k, (predicted, truth) in enumerate(boxes.pairs()):
            about = {"image_id": image, "category_id": k + 1}
            detections.append(about | {"bbox": _xywh(predicted), "score": boxes.scores[k]})
            if truth is not None:
                box = _xywh(truth)
                extra = {"id": len(truths) + 1, "iscrowd": 0, "area": box[2] * box[3]}
                truths.append(about | {"bbox": box} | extra)
    images = [{"id": image} for image in range(len(frames))]
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        ground_truth = COCO()
        ground_truth.dataset = {"images": images, "annotations": truths, "categories": categories}
        ground_truth.createIndex()
        evaluation = COCOeval(ground_truth, ground_truth.loadRes(detections), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    # IoU, recall, class, area (all), detections (100); -1 where there is no truth.
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    precision = np.where(precision < 0, np.nan, precision)
    return {
        "ap": overlap.mean(overlap.mean(precision, axis=0), axis=0),
        "ap_50": overlap.mean(precision[0], axis=0),
    }


def _xywh(box: list) -> list[float]:
    x0, y0, x1, y1 = box
    return [x0, y0, x1 - x0, y1 - y0]
