"""The records that pass between data, models and evaluation: every shape, once."""

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
