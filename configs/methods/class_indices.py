"""AR-SEG whose mask tokens are the class indices of cells of 8 x 8 pixels, 1024 for 256 px.

The tokenizer is that of configs/ar_seg/grid_tokenizer.py.
"""

from lgrseg.config import L
from lgrseg.modeling.autoregressive.codec import CellShares, CellUpsampler
from lgrseg.modeling.autoregressive.quantizers import ClassIndices


def change(cfg):
    """Replace the tokenizer, and make image tokens at the same stride."""
    if "image_tokens" not in cfg.model:
        raise ValueError("method=class_indices changes AR-SEG: use a config of ar_seg/")
    tokenizer = cfg.model.tokenizer.tokenizer
    tokenizer.quantizer = L(ClassIndices)(num_classes="${..num_classes}")
    tokenizer.encoder = L(CellShares)(stride=8)
    tokenizer.decoder = L(CellUpsampler)(num_classes="${..num_classes}", stride=8)
    cfg.model.tokenizer.weights = "output/grid_tokenizer/checkpoints/last.safetensors"
    cfg.model.image_tokens.stride = 8
    cfg.model.trunk.max_tokens = 4096  # of all scales together, and of the image
