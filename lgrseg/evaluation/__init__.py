"""Evaluation: from predictions to results.json, videos and a report."""

from lgrseg.evaluation.classification import ClassificationEvaluator
from lgrseg.evaluation.evaluator import SegmentationEvaluator, inference_on_dataset

__all__ = ["ClassificationEvaluator", "SegmentationEvaluator", "inference_on_dataset"]
