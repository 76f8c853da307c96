"""Segmenting clips that have no labels, one after the other, into a folder of results."""

from lgrseg.inference.batch import Summary, predict_clips
from lgrseg.inference.predictor import Predictor
from lgrseg.inference.result_files import Existing, ResultFiles

__all__ = ["Existing", "Predictor", "ResultFiles", "Summary", "predict_clips"]
