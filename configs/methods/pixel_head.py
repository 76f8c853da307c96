"""LGRNet has an auxiliary head that classifies every pixel, with losses over whole masks.

At test, its class maps are averaged with those of the queries: model.pixel_head.share=0 uses it in
training only, and 1 uses it alone.
"""

from lgrseg.config import L
from lgrseg.modeling.lgrnet.pixel_head import AuxiliaryPixelHead


def change(cfg):
    """Add the head on the encoder's map at stride 4."""
    if "decoder" not in cfg.model:
        raise ValueError(
            "method=pixel_head changes LGRNet: use a config of lgrnet/; name pixel_head first"
        )
    cfg.model.pixel_head = L(AuxiliaryPixelHead)(
        dim=cfg.model.encoder.get("dim", 64), num_classes="${..decoder.num_classes}"
    )
