"""Evaluation: from predictions to results.json, videos and a report."""

from lgrseg.evaluation.evaluator import SegmentationEvaluator, inference_on_dataset

__all__ = ["SegmentationEvaluator", "inference_on_dataset"]
