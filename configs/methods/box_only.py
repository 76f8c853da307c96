"""LGRNet predicts boxes alone: method=boxes+box_only. Its masks are the insides of its boxes."""

from lgrseg.config import L
from lgrseg.modeling.lgrnet.decoder import BoxDecoder


def change(cfg):
    """A decoder without masks, and no loss of masks."""
    if "box_head" not in cfg.model.get("decoder", {}):
        raise ValueError("method=box_only comes after another: method=boxes+box_only")
    decoder = cfg.model.decoder
    cfg.model.decoder = L(BoxDecoder)(**{k: v for k, v in decoder.items() if k != "_target_"})
    cfg.model.criterion.mask_weight = cfg.model.criterion.dice_weight = 0.0
