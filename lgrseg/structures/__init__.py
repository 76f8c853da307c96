"""Records that are passed between data, models and evaluation, with their shapes."""

from lgrseg.structures.clips import (
    Clip,
    ClipPrediction,
    ClipTargets,
    Geometry,
    LabelPrediction,
    LabelTarget,
    UnlabelledViews,
)

__all__ = [
    "Clip",
    "ClipPrediction",
    "ClipTargets",
    "Geometry",
    "LabelPrediction",
    "LabelTarget",
    "UnlabelledViews",
]
