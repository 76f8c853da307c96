"""Evaluates a model on a dataset, at the original resolution of its videos."""

import logging
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from lgrseg.comm import processes as distributed
from lgrseg.data.catalog import MetadataCatalog
from lgrseg.data.prepare.fan_crop import fan_of_record
from lgrseg.data.record import VideoRecord
from lgrseg.data.store import read_masks
from lgrseg.evaluation.clinical.chambers import why_no_ejection_fraction
from lgrseg.evaluation.frame_scores import FrameRow, score_frame
from lgrseg.evaluation.metrics.box_scores import FrameBoxes, score_boxes, summarise_boxes
from lgrseg.evaluation.results import plain
from lgrseg.evaluation.row_evaluator import RowEvaluator
from lgrseg.evaluation.summary import summarise
from lgrseg.structures import Clip, ClipPrediction, ClipTargets, Geometry

logger = logging.getLogger("lgrseg")


class SegmentationEvaluator(RowEvaluator[FrameRow]):
    """Measures overlap, distances and heart function on the annotated frames of every clip.

    `mean` and `classes` are means over patients. The score of a patient is the mean over all
    annotated frames of the patient. A class that is in neither truth nor prediction is left out.
    Results with other rules, and the mean over clips, are reported too, to compare with earlier
    tables.
    """

    def __init__(
        self, *, dataset: str, protocol: str, tolerance: float = 2.0, bootstrap_seed: int = 0
    ):
        """Look up the classes of the dataset; nothing is read from the disk.

        Args:
            dataset: name of the dataset in the catalog.
            protocol: description of the evaluation, which is copied into the results.
            tolerance: tolerance of the surface Dice in mm (in pixels for videos without spacing).
            bootstrap_seed: seed of the resampling that gives the confidence intervals.
        """
        super().__init__(dataset=dataset, protocol=protocol, bootstrap_seed=bootstrap_seed)
        self.tolerance = tolerance

    def reset(self) -> None:
        """Remove all rows."""
        super().reset()
        self._frames_of_clips: list[int] = []

    def process(
        self,
        record: VideoRecord,
        anchor: int,
        clip: Clip,
        targets: ClipTargets,
        prediction: ClipPrediction,
        seconds: float = 0.0,
    ) -> None:
        """Add one clip to the results; its full-resolution ground truth is read from the store.

        Args:
            record: record of the video in the catalog.
            anchor: frame of the video around which the clip was sampled.
            clip: input of the model; it must not be augmented.
            targets: targets of the clip; only its annotated frames are scored.
            prediction: output of the model for this clip.
            seconds: time that the model took, in seconds.

        Raises:
            ValueError: truth and prediction differ in size or in their classes, or the clip was
                augmented.
        """
        name = record.video_id
        if len(prediction.mask_logits) != len(self.classes):
            raise ValueError(
                f"the model predicts {len(prediction.mask_logits)} classes, {self.dataset} has "
                f"{len(self.classes)}: {', '.join(self.classes)}; set num_classes in the config"
            )
        if clip.geometry is None:
            raise ValueError(f"{name} was augmented: the mapper of a test loader must not augment")
        self._seconds += seconds
        self._frames_of_clips.append(len(clip.frame_indices))
        positions = targets.annotated.nonzero().flatten().tolist()
        # Only annotated frames are resized to the original size (one of eleven in a dense clip).
        scored = replace(prediction, mask_logits=prediction.mask_logits[:, positions])
        predicted = scored.label_maps(clip.geometry).cpu().numpy()
        truth = read_masks(record)
        has_phases = record.ed_frame is not None and record.es_frame is not None
        fan = fan_of_record(record) if has_phases else None
        for position, labels in zip(positions, predicted, strict=True):
            frame = int(clip.frame_indices[position])
            boxes = _boxes_of(prediction, position, truth[frame], clip.geometry)
            try:
                row = score_frame(
                    labels,
                    truth[frame],
                    record,
                    frame,
                    self.classes,
                    tolerance=self.tolerance,
                    roles=self.roles,
                    fan=fan,
                )
            except ValueError as error:
                raise ValueError(f"{name}, frame {frame}: {error}") from error
            self._rows.append(replace(row, boxes=boxes, anchor=anchor))

    def evaluate(self) -> dict:
        """The results of all processes, as they are written to results.json.

        Raises:
            ValueError: no clip was processed.
        """
        rows, seconds = self._gathered(what="annotated frame")
        results: dict[str, Any] = {"dataset": self.dataset, "protocol": self.protocol}
        results |= summarise(rows, self.classes, tolerance=self.tolerance, seed=self.bootstrap_seed)
        colors = MetadataCatalog.get(self.dataset).colors
        results["colors"] = {
            name: "#{:02x}{:02x}{:02x}".format(*color)
            for name, color in zip(self.classes, colors, strict=True)
        }
        if results["heart"] is None:
            reason = why_no_ejection_fraction(self.classes, self.roles, self.dataset)
            results["no_ejection_fraction"] = reason
            if distributed.is_main_process():
                logger.info(reason)
        if (left_out := results["videos_without_distances"]) and distributed.is_main_process():
            logger.warning(
                "%d of the videos of %s have no spacing: distances, in mm, are those of the others",
                left_out,
                self.dataset,
            )
        boxes = [row.boxes for row in rows if row.boxes is not None]
        if boxes:
            patients = [row.patient for row in rows]
            results["boxes"] = summarise_boxes(boxes, patients, self.classes)
        frames_per_clip = float(np.mean(self._frames_of_clips)) if self._frames_of_clips else None
        times = {
            "seconds_per_clip": seconds / results["num_clips"],
            "frames_per_clip": frames_per_clip,  # of this process
        }
        return plain(results | times)


def _boxes_of(
    prediction: ClipPrediction, position: int, truth: np.ndarray, geometry: Geometry
) -> FrameBoxes | None:
    """The boxes of one frame of a clip; None if the model predicts no boxes."""
    if prediction.boxes is None:
        return None
    assert prediction.box_scores is not None  # a model that predicts boxes predicts both
    boxes = prediction.boxes[:, position].float().cpu()
    scores = prediction.box_scores[:, position].float().cpu()
    return score_boxes(boxes, scores, truth, geometry)


def inference_on_dataset(model: torch.nn.Module, loader, evaluator: SegmentationEvaluator) -> dict:
    """Predict and evaluate every clip of a test loader; the model's mode is restored at the end."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    evaluator.reset()
    try:
        with torch.inference_mode():
            # The progress bar disappears after the last clip.
            name, hidden = evaluator.dataset, not distributed.show_bars()
            for samples in tqdm(loader, desc=name, unit="clip", leave=False, disable=hidden):
                for record, anchor, clip, targets in samples:
                    begin = time.perf_counter()
                    (prediction,) = model([clip.to(device)])
                    if device.type == "cuda":
                        torch.cuda.synchronize(device)  # otherwise only the kernel launch is timed
                    seconds = time.perf_counter() - begin
                    evaluator.process(record, anchor, clip, targets, prediction, seconds)
        return evaluator.evaluate()
    finally:
        model.train(was_training)
