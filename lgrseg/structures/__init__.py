"""Records that are passed between data, models and evaluation, with their shapes.

A name is loaded when it is first used, so that prompts can be checked without torch.
"""

from typing import TYPE_CHECKING

from lgrseg.lazy_names import lazy_names

if TYPE_CHECKING:
    from lgrseg.structures.clips import Clip as Clip
    from lgrseg.structures.clips import ClipPrediction as ClipPrediction
    from lgrseg.structures.clips import ClipTargets as ClipTargets
    from lgrseg.structures.clips import Geometry as Geometry
    from lgrseg.structures.clips import LabelPrediction as LabelPrediction
    from lgrseg.structures.clips import LabelTarget as LabelTarget
    from lgrseg.structures.clips import UnlabelledViews as UnlabelledViews

NAMES = (
    "Clip",
    "ClipPrediction",
    "ClipTargets",
    "Geometry",
    "LabelPrediction",
    "LabelTarget",
    "UnlabelledViews",
)
__getattr__, __dir__, __all__ = lazy_names(
    __name__, dict.fromkeys(NAMES, "lgrseg.structures.clips")
)
