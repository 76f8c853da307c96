"""LGRNet also predicts the box of every object in every frame."""

from lgrseg.config import L
from lgrseg.modeling.lgrnet.box_head import BoxHead


def change(cfg):
    """Add a box head on the queries of the decoder."""
    if "decoder" not in cfg.model:
        raise ValueError("method=boxes changes LGRNet: use a config of lgrnet/; name boxes first")
    cfg.model.decoder.box_head = L(BoxHead)(dim=cfg.model.decoder.dim)
