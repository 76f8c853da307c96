"""LGRNet predicts only boxes: method=boxes+box_only. Each mask is the inside of its box."""

from lgrseg.config import L
from lgrseg.modeling.lgrnet.decoder import BoxDecoder


def change(cfg):
    """Use a decoder without masks, and no mask losses."""
    if "box_head" not in cfg.model.get("decoder", {}):
        raise ValueError("method=box_only must follow boxes: method=boxes+box_only")
    decoder = cfg.model.decoder
    cfg.model.decoder = L(BoxDecoder)(**{k: v for k, v in decoder.items() if k != "_target_"})
    cfg.model.criterion.mask_weight = cfg.model.criterion.dice_weight = 0.0
