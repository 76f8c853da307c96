"""lgrseg: segmentation of cardiac ultrasound video.

    import lgrseg

    predictor = lgrseg.Predictor.from_run("output/demo")
    result = predictor("clip.mp4")
    result.save("output/predictions")

Importing the package loads neither torch nor models; a name is loaded when it is first used.
"""

from lgrseg.comm.openmp import wait_briefly
from lgrseg.lazy_names import lazy_names

__version__ = "0.1.0"

wait_briefly()  # before torch is loaded, so that nothing but this moment will do

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "Predictor": "lgrseg.inference.predictor",
        "Result": "lgrseg.inference.result",
        "read_video": "lgrseg.data.io",
    },
)
