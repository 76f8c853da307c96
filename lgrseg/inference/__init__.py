"""Segmenting and measuring clips: `Predictor` in Python, `FilePredictor` for folders of files."""

from lgrseg.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "BeatMeasures": "lgrseg.inference.measurements",
        "Existing": "lgrseg.inference.result_files",
        "FilePredictor": "lgrseg.inference.file_predictor",
        "Measurements": "lgrseg.inference.measurements",
        "Outcome": "lgrseg.inference.file_predictor",
        "Predictor": "lgrseg.inference.predictor",
        "Result": "lgrseg.inference.result",
        "ResultFiles": "lgrseg.inference.result_files",
        "Summary": "lgrseg.inference.batch",
        "predict_clips": "lgrseg.inference.batch",
    },
)
