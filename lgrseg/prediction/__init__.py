"""Segmenting clips that have no labels, one after the other, into a folder of results."""

from lgrseg.prediction.batch import Summary, predict_clips
from lgrseg.prediction.predictor import Predictor
from lgrseg.prediction.result_files import Existing, ResultFiles

__all__ = ["Existing", "Predictor", "ResultFiles", "Summary", "predict_clips"]
