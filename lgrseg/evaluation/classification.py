"""Scores of a classifier on a dataset of labelled images or clips."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lgrseg.data.record import VideoRecord
from lgrseg.evaluation.metrics.calibration import calibration_error, confidence_bins
from lgrseg.evaluation.metrics.label_scores import intervals, measure
from lgrseg.evaluation.results import plain
from lgrseg.evaluation.row_evaluator import RowEvaluator
from lgrseg.structures import Clip, LabelPrediction, LabelTarget


@dataclass
class LabelRow:
    """Truth and prediction of one clip."""

    video_id: str
    anchor: int
    """Frame of the video around which the clip was sampled."""
    patient: str
    label: int
    """True class, an index into the dataset's `classes`."""
    probs: list[float]
    """Predicted probability of each of the K classes, 0 to 1."""

    @property
    def key(self) -> tuple[str, int, int]:
        """Video, anchor, and 0 instead of a frame, because the label is for the whole clip."""
        return self.video_id, self.anchor, 0


class ClassificationEvaluator(RowEvaluator[LabelRow]):
    """Computes accuracy, sensitivity, AUC and the confusion matrix; every clip has equal weight.

    Confidence intervals are over patients. The best checkpoint is chosen by balanced accuracy
    (the mean sensitivity). With unbalanced classes, plain accuracy would prefer a model that
    recognises only the most frequent class.
    """

    def process(
        self,
        record: VideoRecord,
        anchor: int,
        clip: Clip,
        targets: LabelTarget,
        prediction: LabelPrediction,
        seconds: float = 0.0,
    ) -> None:
        """Add one clip to the results.

        Args:
            record: record of the video in the catalog.
            anchor: frame of the video around which the clip was sampled.
            clip: input of the model; it must not be augmented.
            targets: true class of the clip.
            prediction: output of the model for this clip.
            seconds: time that the model took, in seconds.

        Raises:
            ValueError: the model has other classes than the dataset, or the clip was augmented.
        """
        name = record.video_id
        if not isinstance(prediction, LabelPrediction):
            raise ValueError(
                f"the model predicts a {type(prediction).__name__}, not a class; use "
                "lgrseg.evaluation.SegmentationEvaluator for masks"
            )
        if len(prediction.scores) != len(self.classes):
            raise ValueError(
                f"the model predicts {len(prediction.scores)} classes, {self.dataset} has "
                f"{len(self.classes)}: {', '.join(self.classes)}; set num_classes in the config"
            )
        if not 0 <= targets.label < len(self.classes):
            raise ValueError(
                f"{name} has label {targets.label}, {self.dataset} has {len(self.classes)} "
                "classes, counted from 0: prepare it again"
            )
        if clip.geometry is None:
            raise ValueError(f"{name} was augmented: the mapper of a test loader must not augment")
        self._seconds += seconds
        self._rows.append(
            LabelRow(
                video_id=name,
                anchor=anchor,
                patient=record.patient,
                label=targets.label,
                probs=prediction.probs.tolist(),
            )
        )

    def evaluate(self) -> dict:
        """The results of all processes, as they are written to results.json.

        The entry "predictions" has one row per clip; `write_results` writes it to predictions.csv.

        Raises:
            ValueError: no clip was processed.
        """
        rows, seconds = self._gathered(what="clip")
        results: dict[str, Any] = {"dataset": self.dataset, "protocol": self.protocol}
        results |= summarise_labels(rows, self.classes, seed=self.bootstrap_seed)
        return plain(results | {"seconds_per_clip": seconds / len(rows)})


def summarise_labels(rows: list[LabelRow], classes: tuple[str, ...], *, seed: int = 0) -> dict:
    """Content of results.json, without dataset name, protocol name and time.

    Args:
        rows: one row per clip, in a fixed order.
        classes: names of the K classes.
        seed: seed of the bootstrap; the same seed gives the same intervals.
    """
    labels = np.array([row.label for row in rows])
    probs = np.array([row.probs for row in rows])
    patients = np.array([row.patient for row in rows])
    by_class, means, confusion = measure(labels, probs)
    bins = confidence_bins(labels, probs)
    mean_intervals, class_intervals = intervals(labels, probs, patients, seed=seed)
    return {
        "task": "classification",
        "headline": {"mean": "balanced_accuracy", "class": "sensitivity"},
        "num_clips": len(rows),
        "num_patients": len(np.unique(patients)),
        "classes": {
            cls: {
                "num_clips": int(confusion[k].sum()),
                "num_patients": len(np.unique(patients[labels == k])),
                "num_other_patients": len(np.unique(patients[labels != k])),
            }
            | {name: values[k] for name, values in by_class.items()}
            | {f"{name}_ci95": ends[k] for name, ends in class_intervals.items()}
            for k, cls in enumerate(classes)
        },
        "mean": means,
        **{f"{name}_ci95": ends for name, ends in mean_intervals.items()},
        "confusion": confusion.astype(int).tolist(),
        "calibration_error": calibration_error(bins),
        "confidence_bins": [asdict(each) for each in bins],
        "predictions": [
            {
                "video_id": row.video_id,
                "patient": row.patient,
                "truth": classes[row.label],
                "predicted": classes[int(np.argmax(row.probs))],
            }
            | {f"p_{cls}": p for cls, p in zip(classes, row.probs, strict=True)}
            for row in rows
        ],
    }
