"""Models, their parts and their losses; a name is loaded when it is first used.

    from lgrseg.config import load_config
    from lgrseg.modeling import build_model

    model = build_model(load_config("configs/lgrnet/demo.py"))

A model built from parts, without a config:

    from lgrseg.modeling import PerPixelSegmenter, UNet
    from lgrseg.modeling.heads import PixelHead

    model = PerPixelSegmenter(
        backbone=UNet(width=8), head=PixelHead(in_channels=8, num_classes=2), num_classes=2
    )
"""

from lgrseg.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ARSegmenter": "lgrseg.modeling.autoregressive.segmenter",
        "BoxSam2": "lgrseg.modeling.sam2.box_sam2",
        "Backbone": "lgrseg.modeling.contracts",
        "ClipClassifier": "lgrseg.modeling.heads.classifier",
        "ClipModel": "lgrseg.modeling.contracts",
        "LGREncoder": "lgrseg.modeling.lgrnet.encoder",
        "LGRNet": "lgrseg.modeling.lgrnet.model",
        "MaskTokenizer": "lgrseg.modeling.autoregressive.tokenizer",
        "MaskedDecoder": "lgrseg.modeling.lgrnet.decoder",
        "PVTv2": "lgrseg.modeling.backbones.pvt_v2",
        "PerPixelSegmenter": "lgrseg.modeling.heads.per_pixel",
        "SemiSupervised": "lgrseg.modeling.semi_supervised.model",
        "SetCriterion": "lgrseg.modeling.losses.criterion",
        "UNet": "lgrseg.modeling.heads.per_pixel",
        "build_model": "lgrseg.modeling.building",
    },
)
