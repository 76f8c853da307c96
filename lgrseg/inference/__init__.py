"""Segmenting and measuring clips: `Predictor` in Python, `FilePredictor` for folders of files."""

from lgrseg.inference.batch import Summary, predict_clips
from lgrseg.inference.file_predictor import FilePredictor, Outcome
from lgrseg.inference.measurements import BeatMeasures, Measurements
from lgrseg.inference.predictor import Predictor
from lgrseg.inference.result import Result
from lgrseg.inference.result_files import Existing, ResultFiles

__all__ = [
    "BeatMeasures",
    "Existing",
    "FilePredictor",
    "Measurements",
    "Outcome",
    "Predictor",
    "Result",
    "ResultFiles",
    "Summary",
    "predict_clips",
]
